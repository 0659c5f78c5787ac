/** What the loss terms add to the loss: contributions and shares, computed from values and weights. */
import { type Column, columnAt, columnNamed, Flag, type Table } from "../../data/table";
import { bucketAt } from "../../heat/grid";

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

/** The column times its weight; a negative one swaps smallest and largest. */
function weighted(column: Column, weight: (step: number) => number): Column {
  const weights = Float32Array.from(column.lastStep, weight);
  const by = (plane: Float32Array) => plane.map((value, bucket) => value * (weights[bucket] ?? 1));
  const [a, b] = [by(column.min), by(column.max)];
  return {
    ...column,
    min: a.map((value, bucket) => Math.min(value, b[bucket] ?? NaN)),
    max: b.map((value, bucket) => Math.max(value, a[bucket] ?? NaN)),
    last: by(column.last),
  };
}

/** Weight x value of every term with everything its points stand for. */
export function weightedColumns(terms: Table, weights: Table | undefined): Column[] {
  return terms.columns.map((name, index) => weighted(columnAt(terms, index), weightAt(weights, name)));
}

/** weight x value of every term, at the last step of each point. */
export function contributions(terms: Table, weights: Table | undefined): Decomposition {
  const columns = weightedColumns(terms, weights);
  return {
    steps: terms.lastStep,
    terms: columns.map(({ name, last }) => ({ name, values: Float64Array.from(last) })),
  };
}

/** The values of a table as they are, at the last step of each point. */
export function plain(table: Table): Decomposition {
  return {
    steps: table.lastStep,
    terms: table.columns.map((name, index) => ({
      name,
      values: Float64Array.from(columnAt(table, index).last),
    })),
  };
}

/** Only some of the terms. */
export function only({ steps, terms }: Decomposition, shown: ReadonlySet<string>): Decomposition {
  return { steps, terms: terms.filter(({ name }) => shown.has(name)) };
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
