/** What clipping did, by the coefficients that the server worked out. */
import type { Line } from "../../charts/series";
import { type Column, Flag } from "../../data/table";

/** Columns of one clip call; they come from one frame, so that their points are the same steps. */
export interface ClipColumns {
  norm: Column;
  maxNorm: Column;
  /** What the gradients were multiplied with. */
  coefficient?: Column | undefined;
  /** Clips in the record, and those among them that changed a gradient. */
  calls?: Column | undefined;
  bound?: Column | undefined;
}

/** A clip by value bounds each element: that says nothing about the norm. */
const BY_VALUE = "clip value";

export function isByValue({ norm }: ClipColumns): boolean {
  return norm.name.startsWith(BY_VALUE);
}

/** Share of the clips that changed a gradient, as the records counted them; without counts, of the points. */
function shareOf({ calls, bound }: ClipColumns, coefficients: number[]): number {
  const [some, all] = [sumOf(bound), sumOf(calls)];
  if (all > 0) return some / all;
  return coefficients.filter((value) => value < 1).length / Math.max(1, coefficients.length);
}

function sumOf(column: Column | undefined): number {
  return [...(column?.last ?? [])].filter(Number.isFinite).reduce((sum, value) => sum + value, 0);
}

export interface ClipReading {
  /** Coefficient of the last record of each point; NaN where it has none. */
  coefficients: Float64Array;
  clippedShare: number;
  median: number;
  /** Clips that changed a gradient and all clips, where every record is a point and counts them; else 0. */
  bound: number;
  clips: number;
  /** Points in which the norm was NaN or Inf. */
  nonFinite: number;
}

function medianOf(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const high = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? high : ((sorted[middle - 1] ?? NaN) + high) / 2;
}

export function readClip(clip: ClipColumns, whole = false): ClipReading {
  const coefficients = Float64Array.from(clip.coefficient?.last ?? []);
  const seen = [...coefficients].filter(Number.isFinite);
  const bad = Flag.nan | Flag.plusInf | Flag.minusInf;
  return {
    coefficients,
    clippedShare: shareOf(clip, seen),
    median: medianOf(seen),
    bound: whole ? sumOf(clip.bound) : 0,
    clips: whole ? sumOf(clip.calls) : 0,
    nonFinite: clip.norm.flags.filter((flags) => (flags & bad) !== 0).length,
  };
}

/** The coefficient over the steps, with its extremes; a gap where there is none. */
export function coefficientLine(name: string, { coefficient }: ClipColumns): Line {
  const line: Line = { name, points: [], band: [], zeros: [], nonFinite: [] };
  coefficient?.lastStep.forEach((step, at) => {
    const [value, low, high] = [coefficient.last, coefficient.min, coefficient.max].map(
      (plane) => plane[at] ?? NaN,
    ) as [number, number, number];
    line.points.push([step, Number.isFinite(value) ? value : null]);
    if (Number.isFinite(low) && high > low) line.band.push([step, low, high]);
  });
  return line;
}

/** Share of the recorded values that say yes (0 or 1, or shares of a window); null where nothing was recorded. */
export function meanOf(column: Column | undefined): number | null {
  const values = [...(column?.last ?? [])].filter(Number.isFinite);
  return values.length === 0 ? null : values.reduce((a, b) => a + b, 0) / values.length;
}
