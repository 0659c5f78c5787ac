/** How many layers have which value at one place of a matrix: what is recorded of a distribution, for none is recorded inside a layer. */
import type { Matrix } from "../data/table";
import type { Domain } from "./colourRange";
import { type Look, lookOf } from "./painter";

export type Apart = Exclude<Look, "value">;
export const APART: readonly Apart[] = ["nan", "inf", "zero", "absent"];

export interface Distribution {
  /** One more than there are bars. */
  edges: number[];
  counts: number[];
  /** The values behind the bars, the smallest first. */
  values: number[];
  median: number;
  /** Layers that have no place on a logarithmic axis. */
  apart: Record<Apart, number>;
}

/** Widths of a bar in powers of ten, and how many bars are too many. */
const WIDTHS = [0.125, 0.25, 0.5, 1, 2, 5, 10, 20] as const;
const MOST = 28;

/** Edges that hold all values of the run, so that bars stay where they are while the cursor moves. */
export function edgesOf([low, high]: Domain): number[] {
  const span = Math.log10(high / low);
  const width = WIDTHS.find((candidate) => span / candidate <= MOST - 1) ?? 20;
  const first = Math.floor(Math.log10(low) / width);
  const count = Math.floor(Math.log10(high) / width) - first + 1;
  return Array.from({ length: count + 1 }, (_, at) => 10 ** ((first + at) * width));
}

/** The bar of a value; float32 values may lie a hair outside of the edges. */
export function barAt(edges: readonly number[], value: number): number {
  const above = edges.findIndex((edge) => edge > value);
  return above < 0 ? edges.length - 2 : Math.max(0, above - 1);
}

function medianOf(sorted: readonly number[]): number {
  const half = sorted.length >> 1;
  const upper = sorted[half] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] ?? NaN) + upper) / 2;
}

/** What a layer is in a bucket: a number above zero, or one of the other looks. */
export function valueIn(matrix: Matrix, column: number, bucket: number): { look: Look; value: number } {
  const at = column * matrix.buckets + bucket;
  const value = matrix.max[at] ?? NaN;
  const look = lookOf(matrix.flags[at] ?? 0);
  if (look !== "value") return { look, value };
  return { look: value > 0 ? "value" : value === 0 ? "zero" : "absent", value };
}

export function distributionAt(matrix: Matrix, bucket: number, limits: Domain): Distribution {
  const edges = edgesOf(limits);
  const counts = new Array<number>(edges.length - 1).fill(0);
  const apart = { nan: 0, inf: 0, zero: 0, absent: 0 };
  const values: number[] = [];
  matrix.columns.forEach((_, column) => {
    const { look, value } = valueIn(matrix, column, bucket);
    if (look !== "value") {
      apart[look]++;
      return;
    }
    values.push(value);
    const bar = barAt(edges, value);
    counts[bar] = (counts[bar] ?? 0) + 1;
  });
  values.sort((a, b) => a - b);
  return { edges, counts, values, median: medianOf(values), apart };
}
