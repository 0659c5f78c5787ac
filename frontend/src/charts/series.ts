/** From table columns to what a chart draws: points, bands, zeros and the ranges that are not numbers. */
import { type Column, Flag } from "../data/table";

export interface Line {
  name: string;
  /** Place in the palette, where it is not the line's place in the chart: a run has its colour in every chart. */
  colour?: number;
  /** A colour of its own. */
  ink?: string;
  /** Step and value; null leaves a gap, so that nothing unrecorded is interpolated. */
  points: [number, number | null][];
  /** Step, smallest, largest: only where a point stands for several different values. */
  band: [number, number, number][];
  zeros: number[];
  /** Drawn over a stack, not in it. */
  apart?: boolean;
  nonFinite: [number, number][];
  /** The largest value with the very step it was at. */
  peak?: [number, number];
}

const NOT_FINITE = Flag.nan | Flag.plusInf | Flag.minusInf;

/** Neighbouring buckets that contain NaN or Inf, joined into step ranges. */
export function nonFiniteRanges(column: Column): [number, number][] {
  const ranges: [number, number][] = [];
  let open: [number, number] | undefined;
  for (let bucket = 0; bucket < column.flags.length; bucket++) {
    const flags = column.flags[bucket] ?? 0;
    if ((flags & NOT_FINITE) === 0) {
      // A bucket in which this column was not recorded does not end a range.
      if ((flags & Flag.absent) === 0) open = undefined;
      continue;
    }
    if (open) open[1] = column.lastStep[bucket] ?? open[1];
    else {
      open = [column.firstStep[bucket] ?? 0, column.lastStep[bucket] ?? 0];
      ranges.push(open);
    }
  }
  return ranges;
}

/** The value a point is drawn at: its last one, or its largest where the last record did not hold this column. */
function valueAt(column: Column, bucket: number): number | null {
  const last = column.last[bucket] ?? NaN;
  if (Number.isFinite(last)) return last;
  if ((column.flags[bucket] ?? 0) & NOT_FINITE) return null;
  const high = column.max[bucket] ?? NaN;
  return Number.isFinite(high) ? high : null;
}

/** A line through the points of a column, with the band of the values that each point stands for. */
export function lineOf(name: string, column: Column): Line {
  const line: Line = { name, points: [], band: [], zeros: [], nonFinite: nonFiniteRanges(column) };
  for (let bucket = 0; bucket < column.last.length; bucket++) {
    const flags = column.flags[bucket] ?? 0;
    if (flags & Flag.absent) continue;
    const step = column.lastStep[bucket] ?? 0;
    const [low, high] = [column.min[bucket] ?? NaN, column.max[bucket] ?? NaN];
    line.points.push([step, valueAt(column, bucket)]);
    if (Number.isFinite(low) && Number.isFinite(high) && high > low) line.band.push([step, low, high]);
    if (flags & Flag.zero) line.zeros.push(step);
    if (Number.isFinite(high) && !(high <= (line.peak?.[1] ?? Number.NEGATIVE_INFINITY))) {
      line.peak = [column.peakStep[bucket] ?? step, high];
    }
  }
  return line;
}

/** A line through computed values at the steps of a column. */
export function lineThrough(name: string, steps: ArrayLike<number>, values: ArrayLike<number>): Line {
  const points: [number, number | null][] = [];
  for (let index = 0; index < steps.length; index++) {
    const value = values[index] ?? NaN;
    points.push([steps[index] ?? 0, Number.isFinite(value) ? value : null]);
  }
  return { name, points, band: [], zeros: [], nonFinite: [] };
}

/** True where a logarithmic axis can show the values: all positive, over more than two decades. */
export function wantsLog(lines: Line[]): boolean {
  let low = Number.POSITIVE_INFINITY;
  let high = 0;
  for (const line of lines) {
    for (const [, value] of line.points) {
      if (value === null || value === 0) continue;
      if (value < 0) return false;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
    for (const [, , top] of line.band) high = Math.max(high, top);
  }
  return high / low > 100;
}

/** Smallest value above zero: the floor on which zeros are marked on a logarithmic axis. */
export function floorOf(lines: Line[]): number {
  let low = Number.POSITIVE_INFINITY;
  for (const line of lines) {
    for (const [, value] of line.points) if (value !== null && value > 0) low = Math.min(low, value);
    for (const [, bottom] of line.band) if (bottom > 0) low = Math.min(low, bottom);
  }
  return Number.isFinite(low) ? low : 1e-8;
}
