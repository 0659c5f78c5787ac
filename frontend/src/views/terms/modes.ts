/** The pictures of the loss' terms, and which of them a view begins with. */
import type { Finding } from "../../data/types";

export const MODES = ["stacked", "share", "lines", "values"] as const;
export type Mode = (typeof MODES)[number];

/** Where each finding of this view is seen: a term that is all, and one that has gone, which a stack hides. */
const SEEN_IN: [Mode, readonly string[]][] = [
  ["share", ["term-dominance", "regulariser-overwhelms"]],
  ["lines", ["term-collapse", "term-constant", "detached-term"]],
];

/** The picture in which the worst finding can be seen. */
export function modeFor(findings: readonly Finding[]): Mode {
  for (const { name } of findings) {
    const found = SEEN_IN.find(([, names]) => names.includes(name));
    if (found) return found[0];
  }
  return "stacked";
}
