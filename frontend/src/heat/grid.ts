/** Reducing layers x steps to the cells a screen can show: the largest value and all flags survive. */
import { Flag, type Matrix } from "../data/table";

/** Reduced matrix, row after row, as codes of colours: they grow with the values, so the largest code is that of the largest value. */
export interface Grid {
  width: number;
  height: number;
  codes: Uint16Array;
  flags: Uint8Array;
}

/** Codes 0 to 255 are places in the colour table; above its end, and far above it. */
export const ABOVE = 256;
export const FAR_ABOVE = 257;
/** A value this many times the upper end of the colours is far above. */
const FAR = 3;

type Coder = (value: number, logarithm: number) => number;

/**
 * Index into the colour table; values below the domain take its lower end. Those above have codes of their own, for they are few;
 * above a domain that was chosen by hand there may be many, which take the upper end, and `far` says where "far above" begins.
 */
function coder([low, high]: readonly [number, number], far?: number): Coder {
  const [beyond, above] = far === undefined ? [high * FAR, ABOVE] : [far, ABOVE - 1];
  const start = Math.log(low);
  const scale = 255 / (Math.log(high) - start);
  return (value, logarithm) => {
    if (!(value > low)) return 0;
    if (value > high) return value > beyond ? FAR_ABOVE : above;
    return Math.round((logarithm - start) * scale);
  };
}

/** The code of one value. */
export function codeOf(value: number, domain: readonly [number, number], far?: number): number {
  return coder(domain, far)(value, Math.log(value));
}

const known = new WeakMap<Float32Array, Float32Array>();

/** Logarithms of a matrix, once: they stay while rows are zoomed and colours are dragged. */
function logarithms(values: Float32Array): Float32Array {
  const found = known.get(values) ?? values.map(Math.log);
  known.set(values, found);
  return found;
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

const EVERYWHERE = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY] as const;

/** Bucket range of each pixel column of a view of `width` pixels over the steps from..to; none outside of `reach`, nor in a gap behind one of `ends`. */
export function columnSpans(
  firstStep: Float64Array,
  from: number,
  to: number,
  width: number,
  [begin, end]: readonly [number, number] = EVERYWHERE,
  ends: Float64Array | null = null,
): Int32Array {
  const spans = new Int32Array(width * 2);
  const perPixel = (to - from) / width;
  for (let x = 0; x < width; x++) {
    if (from + x * perPixel > end || from + (x + 1) * perPixel < begin) continue;
    const left = bucketAt(firstStep, from + x * perPixel);
    const right = bucketAt(firstStep, from + (x + 1) * perPixel - perPixel * 1e-6);
    if (ends && right === left && from + x * perPixel > (ends[left] ?? 0)) continue;
    // The bucket that merely reaches into this pixel was painted further left, unless it is the only one.
    const starts = (firstStep[left] ?? 0) >= from + x * perPixel || right === left;
    spans[x * 2] = starts ? left : left + 1;
    spans[x * 2 + 1] = Math.max(right, spans[x * 2] ?? 0) + 1;
  }
  return spans;
}

type Source = Pick<Matrix, "buckets" | "max" | "flags">;

interface Coded {
  low: number;
  high: number;
  far: number | undefined;
  codes: Uint16Array;
}

const coded = new WeakMap<Float32Array, Coded>();

/** The code of every cell of a matrix, kept for the newest domain: rows in view change far more often than colours. */
function codesOf(values: Float32Array, domain: readonly [number, number], far?: number): Uint16Array {
  const [low, high] = domain;
  const kept = coded.get(values);
  if (kept && kept.low === low && kept.high === high && kept.far === far) return kept.codes;
  const logs = logarithms(values);
  const code = coder(domain, far);
  const codes = new Uint16Array(values.length);
  for (let at = 0; at < codes.length; at++) codes[at] = code(values[at] as number, logs[at] as number);
  coded.set(values, { low, high, far, codes });
  return codes;
}

/** Puts a row on top of what is already at `target`. */
function mergeInto(grid: Grid, target: number, codes: Uint16Array, flags: Uint8Array): void {
  for (let bucket = 0; bucket < codes.length; bucket++) {
    const at = target + bucket;
    const own = codes[bucket] as number;
    if (own > (grid.codes[at] as number)) grid.codes[at] = own;
    const bits = flags[bucket] as number;
    if (bits !== grid.flags[at]) grid.flags[at] = mergeFlags(grid.flags[at] as number, bits);
  }
}

/** The rows of a picture from top to bottom, at most `height` of them, with every bucket still its own: what zooming does not change. */
export function codeRows(
  table: Source,
  rows: readonly Columns[],
  height: number,
  domain: readonly [number, number],
  far?: number,
): Grid {
  const width = table.buckets;
  const cells = Math.min(height, rows.length);
  const codes = new Uint16Array(width * cells);
  const flags = new Uint8Array(width * cells).fill(Flag.absent);
  const grid = { width, height: cells, codes, flags };
  const every = codesOf(table.max, domain, far);
  let filled = 0;
  rows.forEach((columns, row) => {
    const target = Math.floor((row * cells) / rows.length) * width;
    for (const column of columns) {
      const [from, to] = [column * width, (column + 1) * width];
      if (target >= filled) {
        // The first row there needs no merging.
        codes.set(every.subarray(from, to), target);
        flags.set(table.flags.subarray(from, to), target);
        filled = target + width;
      } else mergeInto(grid, target, every.subarray(from, to), table.flags.subarray(from, to));
    }
  });
  return grid;
}

/** The buckets of each pixel column merged: what every step of a zoom costs. */
export function mergeColumns(rows: Grid, spans: Int32Array): Grid {
  const width = spans.length / 2;
  const codes = new Uint16Array(width * rows.height);
  const flags = new Uint8Array(width * rows.height).fill(Flag.absent);
  for (let row = 0; row < rows.height; row++) {
    const source = row * rows.width;
    const target = row * width;
    let before = -1;
    for (let x = 0; x < width; x++) {
      const start = spans[x * 2] as number;
      const last = source + Math.min(spans[x * 2 + 1] as number, rows.width);
      let bucket = source + start;
      if (bucket >= last) continue;
      if (start === before && last === bucket + 1) {
        // A bucket wider than a pixel: the same as the one to the left.
        codes[target + x] = codes[target + x - 1] as number;
        flags[target + x] = flags[target + x - 1] as number;
        continue;
      }
      before = start;
      let code = rows.codes[bucket] as number;
      let bits = rows.flags[bucket] as number;
      for (bucket++; bucket < last; bucket++) {
        const next = rows.codes[bucket] as number;
        if (next > code) code = next;
        if (rows.flags[bucket] !== bits) bits = mergeFlags(bits, rows.flags[bucket] as number);
      }
      codes[target + x] = code;
      flags[target + x] = bits;
    }
  }
  return { width, height: rows.height, codes, flags };
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
