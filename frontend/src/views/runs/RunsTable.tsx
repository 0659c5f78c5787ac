/** All runs: found by words, state, cause and folder, grouped by what is wrong with them. Only what is in view is made. */
import type { ComponentChildren } from "preact";
import { useMemo, useState } from "preact/hooks";
import type { Runs } from "../../data/types";
import { type Place, readNames, writeNames } from "../../host/hash";
import type { Go } from "../../host/place";
import { useText } from "../../i18n";
import { PlaceLink } from "../../parts/PlaceLink";
import { SortHead, type Sorting } from "../../parts/SortHead";
import { MOST } from "../compare/compared";
import { LEAST } from "../compare/factors";
import { GroupRow } from "./GroupRow";
import { bestOf, GROUPINGS, type Group, type Grouping, grouped, newestFirst } from "./groups";
import { LeftOutRuns } from "./LeftOutRuns";
import { RunRow } from "./RunRow";
import { RunsBar } from "./RunsBar";
import { listed, wantedOf } from "./runFilter";
import { COLUMNS, type ColumnName, sortedRuns, WORST_FIRST } from "./runOrder";
import { useInView } from "./window";

interface Props {
  runs: Runs;
  selected: string;
  place: Place;
  go: Go;
}

/** Runs that are ticked are those that Compare shows beside the one that is looked at. */
function useTicks(place: Place, go: Go) {
  const ticked = readNames(place.cmp);
  const most = place.run ? MOST - 1 : MOST;
  const tick = (name: string) => {
    const others = ticked.filter((each) => each !== name);
    go({ cmp: writeNames(others.length < ticked.length ? others : [...others, name].slice(-most)) });
  };
  const [first = "", ...rest] = ticked;
  const compare = place.run ? {} : { run: first, cmp: writeNames(rest) };
  return { ticked, tick, compare: { view: "compare" as const, ...compare } };
}

/** Above so many runs they are grouped unless somebody wants otherwise. */
const MANY = 20;
const HEIGHTS = { group: 52, run: 31 };

type Item = { kind: "group"; group: Group } | { kind: "run"; run: Runs["runs"][number] };

/** What was chosen in the list, kept while other views are looked at. */
const kept: { sorting: Sorting<ColumnName> | null; open: ReadonlySet<string> } = {
  sorting: null,
  open: new Set(),
};

export function groupingOf(asked: string | undefined, count: number): Grouping {
  const found = GROUPINGS.find((each) => each === asked);
  return found ?? (count > MANY ? "cause" : "none");
}

/** What is still being read is opened without a click: any run of it can be looked at already. */
const isOpen = (open: ReadonlySet<string>, key: string) => open.has(key) !== (key === "reading");

function itemsOf(
  runs: Runs["runs"],
  by: Grouping,
  open: ReadonlySet<string>,
  sorting: typeof kept.sorting,
): Item[] {
  if (by === "none") return sortedRuns(runs, sorting ?? WORST_FIRST).map((run) => ({ kind: "run", run }));
  return grouped(runs, by).flatMap((group) => {
    const own = sorting ? sortedRuns(group.runs, sorting) : newestFirst(group.runs);
    const shown = isOpen(open, group.key) ? own.map((run): Item => ({ kind: "run", run })) : [];
    return [{ kind: "group" as const, group }, ...shown];
  });
}

function useKept() {
  const [state, setState] = useState({ ...kept });
  const change = (part: Partial<typeof kept>) => {
    Object.assign(kept, part);
    setState({ ...kept });
  };
  const sort = (by: ColumnName) =>
    change({
      sorting: { by, down: state.sorting?.by === by ? !state.sorting.down : by !== "run" },
    });
  const toggle = (key: string) => {
    const open = new Set(state.open);
    if (!open.delete(key)) open.add(key);
    change({ open });
  };
  return { ...state, sort, toggle };
}

function Filler({ height }: { height: number }) {
  return height > 0 ? (
    <tr class="filler">
      <td colSpan={COLUMNS.length} style={{ height: `${height}px` }} />
    </tr>
  ) : null;
}

interface TableProps {
  items: readonly Item[];
  sorting: Sorting<ColumnName>;
  sort: (by: ColumnName) => void;
  row: (item: Item, index: number) => ComponentChildren;
}

function VirtualTable({ items, sorting, sort, row }: TableProps) {
  const { t } = useText();
  const heights = useMemo(() => items.map(({ kind }) => HEIGHTS[kind]), [items]);
  const { box, look, first, end, above, below } = useInView(heights);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section class="scroll runs-box" tabIndex={0} aria-label={t("runs.heading")} ref={box} onScroll={look}>
      <table class="runs" aria-rowcount={items.length + 1}>
        <thead>
          <tr aria-rowindex={1}>
            {COLUMNS.map((name) => (
              <SortHead
                key={name}
                class={`col-${name}`}
                name={name}
                text={t(`runs.${name}`)}
                {...{ sorting, sort }}
              />
            ))}
          </tr>
        </thead>
        <tbody>
          <Filler height={above} />
          {items.slice(first, end).map((item, at) => row(item, first + at + 2))}
          <Filler height={below} />
        </tbody>
      </table>
    </section>
  );
}

export function RunsTable({ runs, selected, place, go }: Props) {
  const { t } = useText();
  const { sorting, open, sort, toggle } = useKept();
  const wanted = wantedOf(place);
  const by = groupingOf(place.group, runs.runs.length);
  const found = useMemo(() => listed(runs.runs, wanted), [runs, ...Object.values(wanted)]);
  const items = useMemo(() => itemsOf(found, by, open, sorting), [found, by, open, sorting]);
  const { ticked, tick, compare } = useTicks(place, go);
  const best = useMemo(() => bestOf(runs.runs), [runs]);
  const order = sorting ?? (by === "none" ? WORST_FIRST : { by: "lastData" as const, down: true });
  return (
    <section class="all-runs">
      <div class="runs-head">
        <h2>{t("runs.heading")}</h2>
        {runs.runs.length >= LEAST ? (
          <PlaceLink place={place} change={{ view: "compare", cmp: "" }} go={go}>
            {t("factors.heading")}
          </PlaceLink>
        ) : null}
        {ticked.length > 0 ? (
          <PlaceLink place={place} change={compare} go={go}>
            {t("runs.compare", { count: ticked.length })}
          </PlaceLink>
        ) : null}
      </div>
      <RunsBar {...{ runs, found, by, wanted, go }} />
      {found.length === 0 && runs.runs.length > 0 ? <p class="note">{t("runs.noneFound")}</p> : null}
      {items.length > 0 ? (
        <VirtualTable
          {...{ items, sort }}
          sorting={order}
          row={(item, index) =>
            item.kind === "group" ? (
              <GroupRow
                key={`group ${item.group.key}`}
                open={isOpen(open, item.group.key)}
                toggle={() => toggle(item.group.key)}
                {...{ index, by, best, place, go }}
                group={item.group}
                all={found.length}
              />
            ) : (
              <RunRow
                key={item.run.run}
                run={item.run}
                inside={by !== "none"}
                selected={item.run.run === selected}
                ticked={ticked.includes(item.run.run)}
                tick={tick}
                {...{ index, place, go }}
              />
            )
          }
        />
      ) : null}
      <LeftOutRuns runs={runs} />
    </section>
  );
}
