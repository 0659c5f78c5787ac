/** Putting a finding aside: here with a reason, or for everybody by the lines that the configuration takes. */
import { useEffect, useRef, useState } from "preact/hooks";
import { idOf } from "../../data/findings";
import type { Mutes } from "../../data/mutes";
import type { Finding } from "../../data/types";
import { useText } from "../../i18n";
import { CodeBlock } from "../../parts/Copy";
import { Pick } from "../../parts/Pick";

const SCOPES = ["run", "all"] as const;
type Scope = (typeof SCOPES)[number];

/** A name as a pattern that means only itself. */
function literally(name: string): string {
  return name.replace(/[*?[]/g, "[$&]");
}

/** The lines for `lossdiag.toml`: TOML writes such strings as JSON does. */
export function suppressBlock(finding: Finding, run: string, scope: Scope, reason: string): string {
  const lines = ["[[suppress]]", `code = ${JSON.stringify(finding.code)}`];
  if (scope === "run") lines.push(`run = ${JSON.stringify(literally(run))}`);
  // A column must be that of all its evidence: of what is about several the rule as a whole is accepted.
  const columns = new Set([finding.subject, ...finding.evidence.map(({ column }) => column)]);
  columns.delete("");
  const [column] = columns;
  if (column && columns.size === 1) lines.push(`column = ${JSON.stringify(literally(column))}`);
  lines.push(`reason = ${JSON.stringify(reason)}`);
  return `${lines.join("\n")}\n`;
}

interface Props {
  finding: Finding;
  run: string;
  mutes: Mutes;
  change: (mutes: Mutes) => void;
  /** Counts up when the key was pressed: the reason is asked for. */
  asked: number;
}

export function Mute({ finding, run, mutes, change, asked }: Props) {
  const { t } = useText();
  const [scope, setScope] = useState<Scope>("run");
  const [reason, setReason] = useState("");
  const [open, setOpen] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (asked > 0) setOpen(true);
  }, [asked]);
  useEffect(() => {
    if (open) field.current?.focus();
  }, [open]);
  const id = idOf(finding);
  const put = () => {
    change(new Map(mutes).set(id, reason));
    setOpen(false);
  };
  return (
    <details class="mute" open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{t(mutes.has(id) ? "mute.change" : "filter.mute")}</summary>
      <div class="controls">
        <label>
          {t("mute.reason")}{" "}
          <input
            ref={field}
            type="search"
            value={reason}
            onInput={(event) => setReason(event.currentTarget.value)}
            onKeyDown={(event) => {
              if (event.key === "Enter") put();
            }}
          />
        </label>
        <button type="button" onClick={put}>
          {t("mute.here")}
        </button>
        <Pick
          label={t("mute.scope")}
          value={scope}
          options={SCOPES}
          name={(option) => t(`mute.scope.${option}`)}
          choose={setScope}
        />
      </div>
      <p class="muted">{t("mute.explain")}</p>
      <CodeBlock text={suppressBlock(finding, run, scope, reason || t("mute.noReason"))} />
    </details>
  );
}

/** What was put aside here, each with its reason and the way back. */
export function MutedList({
  findings,
  mutes,
  change,
}: Pick<Props, "mutes" | "change"> & { findings: Finding[] }) {
  const { t } = useText();
  const muted = findings.filter((finding) => mutes.has(idOf(finding)));
  if (muted.length === 0) return null;
  const back = (finding: Finding) => {
    const rest = new Map(mutes);
    rest.delete(idOf(finding));
    change(rest);
  };
  return (
    <details class="outcomes" open>
      <summary>{t("mute.list", { count: muted.length })}</summary>
      <ul>
        {muted.map((finding) => (
          <li key={idOf(finding)}>
            {finding.code} {finding.title} <span class="muted">{finding.subject}</span>{" "}
            <button type="button" onClick={() => back(finding)}>
              {t("filter.unmute")}
            </button>
            {mutes.get(idOf(finding)) ? (
              <div class="muted">{t("findings.reason", { reason: mutes.get(idOf(finding)) ?? "" })}</div>
            ) : null}
          </li>
        ))}
      </ul>
    </details>
  );
}
