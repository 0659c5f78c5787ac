/** What clipping did: torch multiplies the gradient by min(1, max_norm / (norm + 1e-6)). */
import type { Line } from "../../charts/series";
import { type Column, Flag } from "../../data/table";

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

/** The coefficient over the steps; the largest norm of a point gives its smallest coefficient. */
export function coefficientLine(name: string, norm: Column, maxNorm: Column): Line {
  const line: Line = { name, points: [], band: [], zeros: [], nonFinite: [] };
  norm.lastStep.forEach((step, at) => {
    const max = maxNorm.last[at] ?? NaN;
    const value = coefficient(norm.last[at] ?? NaN, max);
    const low = coefficient(norm.max[at] ?? NaN, max);
    const high = coefficient(norm.min[at] ?? NaN, max);
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
