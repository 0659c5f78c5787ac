/** What the loss terms add to the loss: contributions and shares, computed from values and weights. */
import { columnAt, columnNamed, Flag, type Table } from "../data/table";
import { bucketAt } from "../heat/grid";

/** One term over the steps; NaN where it was not recorded or not a number. */
export interface Term {
  name: string;
  values: Float64Array;
}

export interface Decomposition {
  steps: Float64Array;
  terms: Term[];
}

/** The weight in force at a step: the last one recorded up to there. Without recorded weights it is 1. */
function weightAt(weights: Table | undefined, name: string): (step: number) => number {
  const column = weights ? columnNamed(weights, name) : undefined;
  if (!column) return () => 1;
  return (step) => {
    for (let bucket = bucketAt(column.firstStep, step); bucket >= 0; bucket--) {
      if (((column.flags[bucket] ?? 0) & Flag.absent) === 0) return column.last[bucket] ?? 1;
    }
    return 1;
  };
}

/** weight x value of every term, at the last step of each point. */
export function contributions(terms: Table, weights: Table | undefined): Decomposition {
  return {
    steps: terms.lastStep,
    terms: terms.columns.map((name, index) => {
      const column = columnAt(terms, index);
      const weight = weightAt(weights, name);
      const values = Float64Array.from(
        column.last,
        (value, bucket) => value * weight(terms.lastStep[bucket] ?? 0),
      );
      return { name, values };
    }),
  };
}

/** |contribution| / sum of |contributions|; terms that are missing at a step do not count there. */
export function shares({ steps, terms }: Decomposition): Decomposition {
  const totals = new Float64Array(steps.length);
  for (const { values } of terms) {
    values.forEach((value, bucket) => {
      if (Number.isFinite(value)) totals[bucket] = (totals[bucket] ?? 0) + Math.abs(value);
    });
  }
  return {
    steps,
    terms: terms.map(({ name, values }) => ({
      name,
      values: values.map((value, bucket) => Math.abs(value) / (totals[bucket] || NaN)),
    })),
  };
}

/** Stacked areas only make sense while everything adds up in one direction. */
export function canStack({ terms }: Decomposition): boolean {
  return terms.every(({ values }) => values.every((value) => !(value < 0)));
}
