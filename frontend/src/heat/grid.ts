/** Reducing layers x steps to the cells a screen can show: the largest value and all flags survive. */
import { Flag, type Matrix } from "../data/table";

/** Reduced matrix, row after row. */
export interface Grid {
  width: number;
  height: number;
  max: Float32Array;
  flags: Uint8Array;
}

/** The columns of the matrix that a row of the picture stands for. */
export type Columns = readonly number[];

const BAD = Flag.nan | Flag.plusInf | Flag.minusInf;

/** Flags of two merged cells: bad ones add up, "zero" and "absent" hold only where both agree. */
export function mergeFlags(a: number, b: number): number {
  const bad = (a | b) & BAD;
  if (a & Flag.absent) return b | bad;
  if (b & Flag.absent) return a | bad;
  return bad | (a & b & Flag.zero);
}

function mergeMax(a: number, b: number): number {
  if (Number.isNaN(a)) return b;
  return Number.isNaN(b) ? a : Math.max(a, b);
}

/** Index of the bucket that a step belongs to: the last one that starts at or before it. */
export function bucketAt(firstStep: ArrayLike<number>, step: number): number {
  let low = 0;
  let high = firstStep.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((firstStep[middle] ?? 0) <= step) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Bucket range of each pixel column of a view of `width` pixels over the steps from..to. */
export function columnSpans(firstStep: Float64Array, from: number, to: number, width: number): Int32Array {
  const spans = new Int32Array(width * 2);
  const perPixel = (to - from) / width;
  for (let x = 0; x < width; x++) {
    const left = bucketAt(firstStep, from + x * perPixel);
    const right = bucketAt(firstStep, from + (x + 1) * perPixel - perPixel * 1e-6);
    // The bucket that merely reaches into this pixel was painted further left, unless it is the only one.
    const starts = (firstStep[left] ?? 0) >= from + x * perPixel || right === left;
    spans[x * 2] = starts ? left : left + 1;
    spans[x * 2 + 1] = Math.max(right, spans[x * 2] ?? 0) + 1;
  }
  return spans;
}

type Source = Pick<Matrix, "buckets" | "max" | "flags">;

/** The cells of a view: `rows` from top to bottom. */
export function reduceTable(
  table: Source,
  rows: readonly Columns[],
  spans: Int32Array,
  height: number,
): Grid {
  const width = spans.length / 2;
  const cells = Math.min(height, rows.length);
  const grid: Grid = {
    width,
    height: cells,
    max: new Float32Array(width * cells).fill(NaN),
    flags: new Uint8Array(width * cells).fill(Flag.absent),
  };
  rows.forEach((columns, row) => {
    const target = Math.floor((row * cells) / rows.length) * width;
    for (const column of columns) reduceRow(table, column * table.buckets, spans, grid, target);
  });
  return grid;
}

function reduceRow(table: Source, source: number, spans: Int32Array, grid: Grid, target: number): void {
  for (let x = 0; x < grid.width; x++) {
    let max = grid.max[target + x] ?? NaN;
    let flags = grid.flags[target + x] ?? Flag.absent;
    const end = Math.min(spans[x * 2 + 1] ?? 0, table.buckets);
    for (let bucket = spans[x * 2] ?? 0; bucket < end; bucket++) {
      max = mergeMax(max, table.max[source + bucket] ?? NaN);
      flags = mergeFlags(flags, table.flags[source + bucket] ?? Flag.absent);
    }
    grid.max[target + x] = max;
    grid.flags[target + x] = flags;
  }
}

/** Colour range: 1st to 99th percentile of the positive values, at least one decade wide. */
export function domainOf(max: Float32Array): [number, number] {
  // A typed array sorts by value without a callback; of many values a regular sample will do.
  const every = Math.max(1, Math.floor(max.length / 100_000));
  const sample = every === 1 ? max : max.filter((_, index) => index % every === 0);
  const values = sample.filter((value) => Number.isFinite(value) && value > 0).sort();
  if (values.length === 0) return [1e-3, 1];
  const at = (share: number) => values[Math.round(share * (values.length - 1))] ?? 1;
  const [low, high] = [at(0.01), at(0.99)];
  if (high / low >= 10) return [low, high];
  const middle = Math.sqrt(low * high);
  return [middle / Math.sqrt(10), middle * Math.sqrt(10)];
}

/** Colour range of ratios: as far below 1 as above, at least a factor of 10. */
export function ratioDomain(max: Float32Array): [number, number] {
  const [low, high] = domainOf(max);
  const reach = Math.max(10, high, 1 / low);
  return [1 / reach, reach];
}
