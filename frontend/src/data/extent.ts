/** First and last step of runs. */

import type { RunSummary } from "./types";
import type { Range } from "./zoom";

export function extentOf(...runs: RunSummary[]): Range {
  const firsts = runs.flatMap(({ first_step }) => (first_step === null ? [] : [first_step]));
  const lasts = runs.flatMap(({ last_step }) => (last_step === null ? [] : [last_step]));
  if (firsts.length === 0 || lasts.length === 0) return [0, 1];
  return [Math.min(...firsts), Math.max(...lasts)];
}
