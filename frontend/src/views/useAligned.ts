/** What the compared runs are aligned by: what the link asks for, as far as the records allow it. */
import { useEffect, useMemo } from "preact/hooks";
import type { OtherAxis } from "../charts/spec";
import { type Axis, type Range, setAxis } from "../charts/zoom";
import {
  type Alignment,
  BY_STEP,
  byFinding,
  byTime,
  commonExtent,
  type SharedFinding,
  sharedFinding,
} from "../data/align";
import { extentOf } from "../data/extent";
import { useClocks } from "../data/tables";
import type { RunDiagnosis, RunSummary } from "../data/types";
import type { Place } from "../host/hash";
import { type T, useText } from "../i18n";
import { formatDuration, formatOffset } from "../text/numbers";

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
  const step = (at: number) => (axis === "time" ? formatDuration(at) : formatOffset(Math.round(at), lang));
  const place = (at: number) =>
    axis === "time" ? t("compare.after", { time: step(at) }) : t("compare.fromFinding", { steps: step(at) });
  return { name: t(`compare.axis.${axis}`), step, place };
}

export function useAligned({ chosen, diagnoses, place }: Given): Aligned {
  const { t, lang } = useText();
  const timed = chosen.every(({ quantities }) => quantities.includes("elapsed"));
  const clocks = useClocks(chosen, timed && place.align === "time").value;
  const shared = useMemo(() => sharedFinding(diagnoses), [diagnoses]);
  const alignment = useMemo(() => {
    if (place.align === "time" && clocks) return byTime(clocks);
    return place.align === "finding" && shared ? byFinding(shared) : BY_STEP;
  }, [place.align, clocks, shared]);
  const { axis } = alignment;
  useEffect(() => setAxis(axis), [axis]);
  useEffect(() => () => setAxis("step"), []);
  const [first, last] = commonExtent(
    chosen.map((run) => extentOf(run)),
    alignment,
  );
  const extent = useMemo<Range>(() => [first, last], [first, last]);
  const words = useMemo(() => wordsOf(axis, t, lang), [axis, lang]);
  const offered: Axis[] = [
    "step",
    ...(timed ? ["time" as const] : []),
    ...(shared ? ["finding" as const] : []),
  ];
  return { alignment, offered, shared, extent, words };
}
