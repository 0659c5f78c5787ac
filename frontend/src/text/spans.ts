/** A range of steps in words. */
import type { T } from "../i18n";
import { formatSteps } from "./numbers";

/** "step 7" or "steps 0 – 399", inside a sentence. */
export function spanText(t: T, lang: string, first: number | null, last: number | null): string {
  return t(first === last ? "span.one" : "span.many", { steps: formatSteps(first, last, lang) });
}

/** The same at the start of a line. */
export function spanStart(t: T, lang: string, first: number | null, last: number | null): string {
  return t(first === last ? "causes.step" : "causes.steps", { steps: formatSteps(first, last, lang) });
}
