/** Findings: a list on the left, the open finding on the right; on narrow pages one replaces the other. */
import { useEffect, useState } from "preact/hooks";
import { type Filter, filtered, findById, idOf } from "../../data/findings";
import type { Finding, RunDiagnosis } from "../../data/types";
import { keysOn, recall, remember } from "../../host/storage";
import { useText } from "../../i18n";
import { NothingFound } from "../../parts/NothingFound";
import { Loaded, Note } from "../../parts/States";
import type { ViewProps } from "../context";
import { Accepted } from "./Accepted";
import { Detail } from "./Detail";
import { FilterBar } from "./FilterBar";
import { FindingList } from "./FindingList";
import { PastReports } from "./Moments";
import { Outcomes } from "./Outcomes";
import { useNews } from "./useNews";

/** Where a key leads from the open finding: another index, "back", or nowhere. */
export function keyTarget(key: string, index: number, count: number): number | "back" | null {
  if (key === "Escape" || key === "ArrowLeft") return "back";
  if (key === "j" || key === "ArrowDown") return Math.min(count - 1, index + 1);
  if (key === "k" || key === "ArrowUp") return Math.max(0, index - 1);
  if (key === "Home") return 0;
  return key === "End" ? count - 1 : null;
}

function OpenFinding({ finding, ...props }: ViewProps & { finding: Finding | undefined }) {
  const { t } = useText();
  const { f: asked, part } = props.place;
  const there = finding !== undefined;
  // A newly opened finding is read from its top, or from the part that was asked for.
  useEffect(() => {
    const wanted = part ? document.querySelector(`[data-part="${CSS.escape(part)}"]`) : null;
    if (wanted) wanted.scrollIntoView();
    else window.scrollTo(0, 0);
  }, [asked, part, there]);
  return (
    <article class="detail">
      {asked && !finding ? <Note>{t("findings.gone")}</Note> : null}
      {finding ? <Detail finding={finding} {...props} /> : null}
    </article>
  );
}

/** Mutes are this browser's own: there is no place to write them for others. */
function useFilter(run: string): [Filter, (change: Partial<Filter>) => void] {
  const key = `muted ${run}`;
  const [filter, setFilter] = useState<Filter>(() => ({
    severity: "all",
    words: "",
    muted: new Set((recall(key) ?? "").split("\n").filter((id) => id !== "")),
    showMuted: false,
  }));
  const change = (part: Partial<Filter>) => {
    if (part.muted) remember(key, [...part.muted].join("\n"));
    setFilter((old) => ({ ...old, ...part }));
  };
  return [filter, change];
}

/** The set with the finding in it or out of it. */
export function toggled(muted: ReadonlySet<string>, finding: Finding): ReadonlySet<string> {
  const next = new Set(muted);
  if (!next.delete(idOf(finding))) next.add(idOf(finding));
  return next;
}

function Both({ diagnosis, ...props }: ViewProps & { found: RunDiagnosis }) {
  const { place, go, run } = props;
  const [filter, change] = useFilter(run.run);
  const all = props.found.findings;
  const news = useNews(run.run, all);
  const findings = filtered(all, filter);
  const open = place.f ? findById(all, place.f) : findings[0];
  const mute = (finding: Finding) => change({ muted: toggled(filter.muted, finding) });
  const press = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || (event.key.length === 1 && !keysOn())) return;
    if (event.key === "m" && open) return mute(open);
    const index = open ? findings.findIndex((finding) => idOf(finding) === idOf(open)) : -1;
    const target = keyTarget(event.key, index, findings.length);
    if (target === null) return;
    event.preventDefault();
    const finding = target === "back" ? undefined : findings[target];
    if (target === "back") go({ f: "", part: "" });
    else if (finding) go({ f: idOf(finding), part: "" });
  };
  return (
    <div class={`findings ${place.f ? "opened" : ""}`}>
      <div class="list">
        {all.length === 0 ? (
          <NothingFound diagnosis={props.found} steps={[run.first_step, run.last_step]} />
        ) : null}
        {all.length > 0 ? <FilterBar filter={filter} change={change} open={open} mute={mute} /> : null}
        <FindingList
          findings={findings}
          all={all.length}
          news={news}
          open={open}
          place={place}
          go={go}
          press={press}
        />
        <Accepted findings={props.found.suppressed} />
        <PastReports diagnosis={props.found} />
        <Outcomes outcomes={props.found.outcomes} unlocks={props.found.unlocks} />
      </div>
      <OpenFinding finding={open} diagnosis={diagnosis} {...props} />
    </div>
  );
}

export function Findings(props: ViewProps) {
  const { t } = useText();
  return (
    <Loaded resource={props.diagnosis} what={t("view.findings")}>
      {(found) => <Both key={props.run.run} {...props} found={found} />}
    </Loaded>
  );
}
