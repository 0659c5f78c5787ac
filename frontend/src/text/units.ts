/** Units beside the names of quantities. */
import type { Key, T } from "../i18n";

/** Units that are words; others, such as seconds, are written alike everywhere. */
const WORDS: Record<string, Key> = {
  "L2 norm": "unit.norm",
  activation: "unit.activation",
  gradient: "unit.gradient",
  loss: "unit.loss",
  elements: "unit.elements",
  directions: "unit.directions",
  share: "unit.share",
  steps: "unit.steps",
};

/** A unit in the page's language. */
export function unitName(unit: string, t: T): string {
  const key = WORDS[unit];
  return key ? t(key) : unit;
}

/** Ratios have the unit 1, which nobody writes; of data nobody knows the unit. */
const UNSAID = ["", "1", "input", "target", "own"];

export function withUnit(name: string, unit: string, t: T): string {
  return UNSAID.includes(unit) || unit === name ? name : `${name} (${unitName(unit, t)})`;
}
