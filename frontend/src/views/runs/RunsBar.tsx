/** Above the list: how all runs are, how many of them are judged, and which of them are listed. */
import { useEffect, useState } from "preact/hooks";
import type { RunSummary, Runs, Status } from "../../data/types";
import type { Go } from "../../host/place";
import { useText } from "../../i18n";
import { Pick } from "../../parts/Pick";
import { StatusChip } from "../../parts/Status";
import { formatInteger } from "../../text/numbers";
import { GROUPINGS, type Grouping } from "./groups";
import { causesIn, foldersIn, patternOf, type Wanted } from "./runFilter";
import { STATUSES } from "./runOrder";

interface Props {
  runs: Runs;
  found: RunSummary[];
  by: Grouping;
  wanted: Wanted;
  go: Go;
}

const SETTLED_MS = 120;

/** What is typed counts once the typing rests: a thousand runs are grouped anew then. */
function Words({ value, change }: { value: string; change: (value: string) => void }) {
  const { t } = useText();
  const [draft, setDraft] = useState(value);
  useEffect(() => setDraft(value), [value]);
  useEffect(() => {
    if (draft === value) return undefined;
    const timer = setTimeout(() => change(draft), SETTLED_MS);
    return () => clearTimeout(timer);
  }, [draft]);
  const wrong = patternOf(draft) === null;
  return (
    <label class="runs-words">
      <span class="unseen">{t("runs.filter")}</span>
      <input
        type="search"
        value={draft}
        placeholder={t("runs.filterHint")}
        aria-invalid={wrong}
        onInput={(event) => setDraft(event.currentTarget.value)}
      />
      {wrong ? <span role="alert"> {t("runs.noPattern")}</span> : null}
    </label>
  );
}

/** How many runs are in each state; each is a way to list only those. */
function States({ runs, wanted, go }: Pick<Props, "runs" | "wanted" | "go">) {
  const { t, lang } = useText();
  const counts = new Map<Status, number>();
  for (const { status } of runs.runs) counts.set(status, (counts.get(status) ?? 0) + 1);
  const present = [...STATUSES].reverse().filter((status) => status !== "reading" && counts.has(status));
  return (
    <fieldset class="states" aria-label={t("runs.status")}>
      {present.map((status) => (
        <button
          type="button"
          key={status}
          aria-pressed={wanted.state === status}
          onClick={() => go({ state: wanted.state === status ? "" : status })}
        >
          <StatusChip status={status} /> {formatInteger(counts.get(status) ?? 0, lang)}
        </button>
      ))}
    </fieldset>
  );
}

function Progress({ runs }: { runs: RunSummary[] }) {
  const { t, lang } = useText();
  const judged = runs.filter(({ status }) => status !== "reading").length;
  if (judged === runs.length) return null;
  const text = t("runs.judged", {
    judged: formatInteger(judged, lang),
    all: formatInteger(runs.length, lang),
  });
  return (
    <label class="judged" aria-live="polite">
      {text} <progress value={judged} max={runs.length} />
    </label>
  );
}

export function RunsBar({ runs, found, by, wanted, go }: Props) {
  const { t, lang } = useText();
  const [causes, folders] = [causesIn(runs.runs), foldersIn(runs.runs)];
  const titles = new Map(causes.map(({ code, title, count }) => [code, `${code} ${title} (${count})`]));
  const narrowed = Object.values(wanted).some((value) => value !== "");
  return (
    <div class="controls runs-bar">
      <Words value={wanted.text} change={(q) => go({ q })} />
      <States runs={runs} wanted={wanted} go={go} />
      {causes.length > 0 ? (
        <Pick
          label={t("runs.cause")}
          value={titles.has(wanted.cause) ? wanted.cause : ""}
          options={["", ...titles.keys()]}
          name={(code) => titles.get(code) ?? t("filter.all")}
          choose={(cause) => go({ cause })}
        />
      ) : null}
      {folders.length > 1 ? (
        <Pick
          label={t("runs.folder")}
          value={wanted.folder}
          options={["", ...folders.filter((folder) => folder !== "")]}
          name={(folder) => folder || t("filter.all")}
          choose={(folder) => go({ folder })}
        />
      ) : null}
      <Pick
        label={t("runs.group")}
        value={by}
        options={GROUPINGS}
        name={(option) => t(`runs.group.${option}`)}
        choose={(group) => go({ group })}
      />
      <span class="muted">
        {narrowed
          ? t("runs.shown", {
              shown: formatInteger(found.length, lang),
              all: formatInteger(runs.runs.length, lang),
            })
          : t("groups.runs", { count: runs.runs.length })}
      </span>
      {narrowed ? (
        <button type="button" onClick={() => go({ q: "", state: "", cause: "", folder: "" })}>
          {t("runs.clear")}
        </button>
      ) : null}
      <Progress runs={runs.runs} />
    </div>
  );
}
