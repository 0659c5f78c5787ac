/** What clipping did: torch multiplies the gradient by min(1, max_norm / (norm + 1e-6)). */
import { type Column, Flag } from "../data/table";

const EPSILON = 1e-6;

export function coefficient(norm: number, maxNorm: number): number {
  return Math.min(1, maxNorm / (norm + EPSILON));
}

export interface ClipReading {
  /** Coefficient of the last record of each point; NaN where it has none. */
  coefficients: Float64Array;
  clippedShare: number;
  median: number;
  /** Points in which the norm was NaN or Inf. */
  nonFinite: number;
}

function medianOf(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const high = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? high : ((sorted[middle - 1] ?? NaN) + high) / 2;
}

/** Both columns come from one frame, so their points are the same steps. */
export function readClip(norm: Column, maxNorm: Column): ClipReading {
  const coefficients = Float64Array.from(norm.last, (value, at) =>
    coefficient(value, maxNorm.last[at] ?? NaN),
  );
  const seen = [...coefficients].filter(Number.isFinite);
  const bad = Flag.nan | Flag.plusInf | Flag.minusInf;
  return {
    coefficients,
    clippedShare: seen.filter((value) => value < 1).length / Math.max(1, seen.length),
    median: medianOf(seen),
    nonFinite: norm.flags.filter((flags) => (flags & bad) !== 0).length,
  };
}
