/** Findings: a list on the left, the open finding on the right; on narrow pages one replaces the other. */
import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { type Filter, filtered, findById, idOf } from "../../data/findings";
import { type Mutes, readMutes, type Shown, writeMutes } from "../../data/mutes";
import type { Finding } from "../../data/types";
import { keysOn } from "../../host/storage";
import { useText } from "../../i18n";
import { NothingFound } from "../../parts/NothingFound";
import { Loaded, Note } from "../../parts/States";
import type { ViewProps } from "../context";
import { Accepted } from "./Accepted";
import { Detail } from "./Detail";
import { FilterBar } from "./FilterBar";
import { FindingList } from "./FindingList";
import { PastReports } from "./Moments";
import { Mute, MutedList } from "./Mute";
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

type OpenProps = ViewProps & { finding: Finding | undefined; children: ComponentChildren };

function OpenFinding({ finding, children, ...props }: OpenProps) {
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
      {children}
      {finding ? <Detail finding={finding} {...props} /> : null}
    </article>
  );
}

function useFilter(run: string): [Filter, (change: Partial<Filter>) => void, Mutes, (mutes: Mutes) => void] {
  const [mutes, setMutes] = useState<Mutes>(() => readMutes(run));
  const [rest, setRest] = useState({ severity: "all" as Filter["severity"], words: "", showMuted: false });
  const muted = useMemo(() => new Set(mutes.keys()), [mutes]);
  const changeMutes = (next: Mutes) => {
    writeMutes(run, next);
    setMutes(next);
  };
  return [{ ...rest, muted }, (part) => setRest((old) => ({ ...old, ...part })), mutes, changeMutes];
}

function Both({ diagnosis, ...props }: ViewProps & { found: Shown }) {
  const { place, go, run } = props;
  const [filter, change, mutes, setMutes] = useFilter(run.run);
  const [asked, setAsked] = useState(0);
  const { found } = props;
  const all = useMemo(() => [...found.findings, ...found.muted], [found]);
  const news = useNews(run.run, all);
  const findings = filtered(all, filter);
  const open = place.f ? findById(all, place.f) : findings[0];
  const press = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || (event.key.length === 1 && !keysOn())) return;
    if (event.key === "m" && open) {
      event.preventDefault(); // the letter is no reason
      return setAsked((count) => count + 1);
    }
    const index = open ? findings.findIndex((finding) => idOf(finding) === idOf(open)) : -1;
    const target = keyTarget(event.key, index, findings.length);
    if (target === null) return;
    event.preventDefault();
    const finding = target === "back" ? undefined : findings[target];
    if (target === "back") go({ f: "", part: "" });
    else if (finding) go({ f: idOf(finding), part: "" });
  };
  return (
    <div class={`findings ${place.f ? "opened" : ""} ${all.length === 0 ? "none" : ""}`}>
      <div class="list">
        {all.length === 0 ? (
          <NothingFound diagnosis={props.found} steps={[run.first_step, run.last_step]} />
        ) : null}
        {all.length > 0 ? <FilterBar filter={filter} change={change} /> : null}
        <FindingList
          findings={findings}
          all={all.length}
          news={news}
          open={open}
          place={place}
          go={go}
          press={press}
        />
        <MutedList findings={all} mutes={mutes} change={setMutes} />
        <Accepted findings={props.found.suppressed} />
        <PastReports diagnosis={props.found} />
        <Outcomes
          outcomes={found.outcomes}
          unlocks={found.unlocks}
          rules={props.rules}
          open={all.length === 0}
        />
      </div>
      <OpenFinding finding={open} diagnosis={diagnosis} {...props}>
        {open ? (
          <Mute key={idOf(open)} finding={open} run={run.run} mutes={mutes} change={setMutes} asked={asked} />
        ) : null}
      </OpenFinding>
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
