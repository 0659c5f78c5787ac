/** The range of values that has colours of its own: found in the data, or chosen on the colour bar. */
import { interpolate } from "../data/interpolate";

/** Values at the two ends of the colours. */
export type Domain = readonly [number, number];
export type End = "low" | "high";

/** Smallest and largest positive value, at least as far apart as the range found in the data. */
export function limitsOf(values: Float32Array, [low, high]: Domain): Domain {
  let [least, most] = [low, high];
  for (const value of values) {
    if (value > 0 && value < least) least = value;
    if (value > most && value < Number.POSITIVE_INFINITY) most = value;
  }
  return [least, most];
}

/** Share of the bar that what lies beyond the found range gets on either side. */
const MARGIN = 0.15;

/** Places on the bar, from 0 to 1, and values, each from the other. */
export interface Bar {
  placeOf: (value: number) => number;
  valueAt: (place: number) => number;
}

/** Logarithmic in three parts: one outlier must not leave the usual values a sliver of the bar. */
export function barOf([low, high]: Domain, [least, most]: Domain): Bar {
  const logs = [least, low, high, most].map(Math.log);
  const places = [0, least < low ? MARGIN : 0, most > high ? 1 - MARGIN : 1, 1];
  return {
    placeOf: (value) => interpolate(Math.log(value), logs, places),
    valueAt: (place) => Math.exp(interpolate(place, places, logs)),
  };
}

/** The ends may not come closer than this factor. */
const CLOSEST = 1.1;

/** The range after one end went to a value. */
export function withEnd([low, high]: Domain, end: End, value: number, [least, most]: Domain): Domain {
  if (end === "low") return [Math.min(Math.max(value, least), high / CLOSEST), high];
  return [low, Math.max(Math.min(value, most), low * CLOSEST)];
}

const STEP = 0.02;
const LEAP = 0.1;

/** Where on the bar a key puts the end that is at `place`; null for other keys. */
export function placeByKey(key: string, place: number): number | null {
  const moves: Record<string, number> = {
    ...{ ArrowLeft: -STEP, ArrowDown: -STEP, ArrowRight: STEP, ArrowUp: STEP },
    ...{ PageDown: -LEAP, PageUp: LEAP, Home: -1, End: 1 },
  };
  const by = moves[key];
  return by === undefined ? null : Math.min(1, Math.max(0, place + by));
}
