/** What the compared runs are aligned by: what the link asks for, as far as the records allow it. */
import { useEffect, useMemo } from "preact/hooks";
import type { OtherAxis } from "../../charts/spec";
import {
  type Alignment,
  BY_STEP,
  byClock,
  byFinding,
  CLOCKS,
  commonExtent,
  type SharedFinding,
  sharedFinding,
} from "../../data/align";
import { extentOf } from "../../data/extent";
import { useClocks } from "../../data/tables";
import type { RunDiagnosis, RunSummary } from "../../data/types";
import { type Axis, type Clock, type Range, setAxis } from "../../data/zoom";
import type { Place } from "../../host/hash";
import { type T, useText } from "../../i18n";
import { formatDuration, formatOffset, formatValue } from "../../text/numbers";

/** Digits of an epoch or a number of tokens: neighbouring ticks must differ. */
const EXACT = 5;

export interface Aligned {
  alignment: Alignment;
  /** What can be chosen. */
  offered: Axis[];
  shared: SharedFinding | null;
  /** The axis of all charts. */
  extent: Range;
  /** How its places are written, if they are not steps. */
  words: OtherAxis | undefined;
}

interface Given {
  chosen: RunSummary[];
  diagnoses: RunDiagnosis[];
  place: Place;
}

function wordsOf(axis: Axis, t: T, lang: string): OtherAxis | undefined {
  if (axis === "step") return undefined;
  const name = t(`compare.axis.${axis}`);
  if (axis === "finding") {
    const step = (at: number) => formatOffset(Math.round(at), lang);
    return { name, step, place: (at) => t("compare.fromFinding", { steps: step(at) }) };
  }
  const step = axis === "time" ? formatDuration : (at: number) => formatValue(at, lang, EXACT);
  const place = (at: number) =>
    axis === "time" ? t("compare.after", { time: step(at) }) : `${name} ${step(at)}`;
  return { name, step, place };
}

/** The clocks that all runs have. */
function clocksOf(chosen: readonly RunSummary[]): Clock[] {
  const all = Object.keys(CLOCKS) as Clock[];
  return all.filter((clock) => chosen.every(({ quantities }) => quantities.includes(CLOCKS[clock])));
}

export function useAligned({ chosen, diagnoses, place }: Given): Aligned {
  const { t, lang } = useText();
  const possible = clocksOf(chosen);
  const clock = possible.find((each) => each === place.align);
  const clocks = useClocks(chosen, clock ? CLOCKS[clock] : null).value;
  const shared = useMemo(() => sharedFinding(diagnoses), [diagnoses]);
  const alignment = useMemo(() => {
    if (clock && clocks) return byClock(clock, clocks);
    return place.align === "finding" && shared ? byFinding(shared) : BY_STEP;
  }, [place.align, clock, clocks, shared]);
  const { axis } = alignment;
  useEffect(() => setAxis(axis), [axis]);
  useEffect(() => () => setAxis("step"), []);
  const [first, last] = commonExtent(
    chosen.map((run) => extentOf(run)),
    alignment,
  );
  const extent = useMemo<Range>(() => [first, last], [first, last]);
  const words = useMemo(() => wordsOf(axis, t, lang), [axis, lang]);
  const offered: Axis[] = ["step", ...possible, ...(shared ? ["finding" as const] : [])];
  return { alignment, offered, shared, extent, words };
}
