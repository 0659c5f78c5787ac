/** Which runs are compared: those that suggest themselves are one click away, any other is found by typing. */
import { useId, useState } from "preact/hooks";
import type { RunSummary } from "../../data/types";
import { writeNames } from "../../host/hash";
import { useText } from "../../i18n";
import { StatusChip } from "../../parts/Status";
import type { ViewProps } from "../context";
import { LETTERS, MOST } from "./compared";
import { partnersOf } from "./partners";

type Props = ViewProps & { chosen: RunSummary[] };

/** A name from the list, typed or picked; it counts as soon as it is one. */
function Other({ names, add }: { names: string[]; add: (name: string) => void }) {
  const { t } = useText();
  const list = useId();
  const [typed, setTyped] = useState("");
  const take = (value: string) => {
    setTyped(value);
    if (!names.includes(value)) return;
    setTyped("");
    add(value);
  };
  return (
    <label>
      {t("compare.add")}{" "}
      <input
        type="search"
        list={list}
        value={typed}
        placeholder={t("compare.choose")}
        onInput={(event) => take(event.currentTarget.value)}
      />
      <datalist id={list}>
        {names.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
    </label>
  );
}

function Suggested({ run, runs, chosen, add }: Props & { add: (name: string) => void }) {
  const { t } = useText();
  const partners = partnersOf(run, runs.runs).filter(({ run: other }) => !chosen.includes(other));
  if (partners.length === 0) return null;
  return (
    <div class="controls suggested">
      <span class="muted">{t("compare.suggested")}</span>
      {partners.map(({ run: other, reason }) => (
        <button type="button" key={other.run} onClick={() => add(other.run)}>
          <span class="muted">{t(`compare.reason.${reason}`)}</span> {other.run}{" "}
          <StatusChip status={other.status} />
        </button>
      ))}
    </div>
  );
}

export function Chooser(props: Props) {
  const { runs, run, go, chosen } = props;
  const { t } = useText();
  const names = chosen.map((entry) => entry.run);
  const others = runs.runs.filter((entry) => !names.includes(entry.run) && entry.problem === null);
  const set = (next: string[]) => go({ cmp: writeNames(next.filter((name) => name !== run.run)) });
  const add = (name: string) => set([...names, name]);
  return (
    <>
      <div class="controls">
        {chosen.map((entry, at) => (
          <span class="chosen" key={entry.run}>
            <strong class={`run-colour run-colour-${at}`}>{LETTERS[at]}</strong> {entry.run}{" "}
            <StatusChip status={entry.status} />{" "}
            {at > 0 ? (
              <button
                type="button"
                aria-label={t("compare.remove", { run: entry.run })}
                title={t("compare.remove", { run: entry.run })}
                onClick={() => set(names.filter((name) => name !== entry.run))}
              >
                ×
              </button>
            ) : null}
          </span>
        ))}
        {chosen.length < MOST && others.length > 0 ? (
          <Other names={others.map((entry) => entry.run)} add={add} />
        ) : null}
      </div>
      {chosen.length < MOST ? <Suggested {...props} add={add} /> : null}
    </>
  );
}
