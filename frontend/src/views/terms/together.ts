/** Many terms at once: in the order of their size, the small ones as one, and all of them against the loss. */
import { type Column, Flag } from "../../data/table";
import type { Decomposition, Term } from "./decompose";

/** Terms that are drawn on their own unless somebody chooses others: as many as there are colours, less one for the rest. */
export const MOST = 7;

/** Mean of the finite sizes: what a term weighs in view. */
function sizeOf({ values }: Term): number {
  let [sum, count] = [0, 0];
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    sum += Math.abs(value);
    count++;
  }
  return count === 0 ? 0 : sum / count;
}

export interface Sized {
  name: string;
  /** Share of the sizes of all terms, 0 to 1. */
  share: number;
}

/** The terms with the largest first; equal ones stay in their order. */
export function bySize({ terms }: Decomposition): Sized[] {
  const sizes = terms.map((term) => ({ name: term.name, size: sizeOf(term) }));
  const all = sizes.reduce((sum, { size }) => sum + size, 0) || 1;
  return sizes.sort((a, b) => b.size - a.size).map(({ name, size }) => ({ name, share: size / all }));
}

/** The terms of these names, in this order. */
export function inOrder({ steps, terms }: Decomposition, names: readonly string[]): Decomposition {
  const known = new Map(terms.map((term) => [term.name, term]));
  return { steps, terms: names.flatMap((name) => known.get(name) ?? []) };
}

/** Several terms as one; a step at which none was recorded has no sum. */
export function sumOf({ steps, terms }: Decomposition, name: string): Term {
  const values = new Float64Array(steps.length).fill(NaN);
  for (const term of terms) {
    term.values.forEach((value, at) => {
      if (Number.isNaN(value)) return;
      values[at] = (Number.isNaN(values[at] ?? NaN) ? 0 : (values[at] ?? 0)) + value;
    });
  }
  return { name, values };
}

function medianOf(values: number[]): number | null {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? null;
}

/** What the terms add up to, over the recorded loss: the median over the steps that both have; null where there are none. */
export function sumOverLoss(parts: Decomposition, loss: Column | undefined): number | null {
  if (!loss) return null;
  const of = new Map<number, number>();
  loss.lastStep.forEach((step, at) => {
    if (((loss.flags[at] ?? 0) & Flag.absent) === 0) of.set(step, loss.last[at] ?? NaN);
  });
  const sum = sumOf(parts, "").values;
  const ratios = [...parts.steps].flatMap((step, at) => {
    const ratio = (sum[at] ?? NaN) / (of.get(step) ?? NaN);
    return Number.isFinite(ratio) ? [ratio] : [];
  });
  return medianOf(ratios);
}
