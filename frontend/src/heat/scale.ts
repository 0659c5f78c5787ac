/** The same matrix on other scales: against each layer's own median, or against another run. */
import { Flag, type Matrix } from "../data/table";

export const SCALES = ["absolute", "median", "share"] as const;
export type Scale = (typeof SCALES)[number];

/** Every value over its layer's median; a layer without one (all zero, all broken) keeps only its flags. */
export function overMedian(matrix: Matrix, medians: Float32Array = matrix.median): Matrix {
  const max = new Float32Array(matrix.max.length);
  for (let column = 0; column < matrix.columns.length; column++) {
    const by = medians[column] ?? NaN;
    for (let at = column * matrix.buckets; at < (column + 1) * matrix.buckets; at++) {
      max[at] = by > 0 ? (matrix.max[at] ?? NaN) / by : NaN;
    }
  }
  const flags = matrix.flags.map((bits, at) =>
    Number.isNaN(max[at] ?? NaN) && bits === 0 ? Flag.absent : bits,
  );
  return { ...matrix, max, flags, median: new Float32Array(matrix.columns.length).fill(1) };
}

/** a / b cell by cell, on the buckets of `a`, for the layers both have; broken cells of either stay broken. */
export function over(a: Matrix, b: Matrix, bucketOf: (step: number) => number): Matrix {
  const shared = a.columns.filter((name) => b.columns.includes(name));
  const max = new Float32Array(shared.length * a.buckets);
  const flags = new Uint8Array(max.length);
  shared.forEach((name, row) => {
    const [left, right] = [a.columns.indexOf(name) * a.buckets, b.columns.indexOf(name) * b.buckets];
    for (let bucket = 0; bucket < a.buckets; bucket++) {
      const step = a.firstStep[bucket] ?? 0;
      const inside = step >= (b.firstStep[0] ?? 0) && step <= (b.lastStep[b.buckets - 1] ?? -1);
      const other = right + bucketOf(step);
      const ratio = inside ? (a.max[left + bucket] ?? NaN) / (b.max[other] ?? NaN) : NaN;
      const at = row * a.buckets + bucket;
      max[at] = ratio;
      const bad =
        ((a.flags[left + bucket] ?? 0) | (inside ? (b.flags[other] ?? 0) : 0)) & ~(Flag.zero | Flag.absent);
      flags[at] = bad || (Number.isFinite(ratio) && ratio > 0 ? 0 : Flag.absent);
    }
  });
  return { ...a, columns: shared, max, flags, median: new Float32Array(shared.length).fill(1) };
}
