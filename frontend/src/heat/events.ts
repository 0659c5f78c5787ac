/** What stands out in a matrix: the first steps that are not numbers, and values far above their layer's own level. */
import { Flag, type Matrix } from "../data/table";

export interface Event {
  kind: "nan" | "inf" | "spike";
  column: number;
  bucket: number;
  /** The recorded value; NaN where it was not a number. */
  value: number;
  /** Of the layer's median. */
  ratio: number;
}

/** A layer at this many times its own median is worth a mark (StabilityGuard calls 10 a spike). */
export const SPIKE = 10;
const MOST = 6;

function kindOf(flags: number): Event["kind"] | null {
  if (flags & Flag.nan) return "nan";
  return flags & (Flag.plusInf | Flag.minusInf) ? "inf" : null;
}

/** The first broken cell and the highest peak of one layer. */
function ofColumn(matrix: Matrix, column: number): Event[] {
  const median = matrix.median[column] ?? NaN;
  let broken: Event | undefined;
  let peak: Event | undefined;
  for (let bucket = 0; bucket < matrix.buckets; bucket++) {
    const at = column * matrix.buckets + bucket;
    const kind = kindOf(matrix.flags[at] ?? 0);
    if (kind && !broken) broken = { kind, column, bucket, value: NaN, ratio: Number.POSITIVE_INFINITY };
    const value = matrix.max[at] ?? NaN;
    const ratio = value / median;
    if (Number.isFinite(ratio) && ratio >= SPIKE && ratio > (peak?.ratio ?? 0)) {
      peak = { kind: "spike", column, bucket, value, ratio };
    }
  }
  return [broken, peak].filter((event) => event !== undefined);
}

/** Layers to which the same happened at the same time. */
export interface Moment extends Event {
  /** The first layer that broke, or the one with the highest peak. */
  column: number;
  layers: number;
  /** The smallest ratio among them. */
  least: number;
}

/** Peaks so many buckets apart are of one moment. */
const NEAR = 2;

function joined(events: readonly Event[]): Moment[] {
  const moments: Moment[] = [];
  for (const event of events) {
    const near = event.kind === "spike" ? NEAR : 0;
    const same = moments.find(
      ({ kind, bucket }) => kind === event.kind && Math.abs(bucket - event.bucket) <= near,
    );
    if (!same) moments.push({ ...event, layers: 1, least: event.ratio });
    else Object.assign(same, { layers: same.layers + 1, least: Math.min(same.least, event.ratio) });
  }
  return moments;
}

/** The earliest moments at which layers stopped being numbers, then those of the highest peaks; a few of each. */
export function momentsOf(matrix: Matrix): Moment[] {
  const all = matrix.columns.flatMap((_, column) => ofColumn(matrix, column));
  const broken = all.filter(({ kind }) => kind !== "spike").sort((a, b) => a.bucket - b.bucket);
  const peaks = all.filter(({ kind }) => kind === "spike").sort((a, b) => b.ratio - a.ratio);
  return [...joined(broken).slice(0, MOST), ...joined(peaks).slice(0, MOST)];
}

export const RAIL = { broken: 1, spike: 2 } as const;

/** Per bucket: whether any layer is not a number or far above its own level there. */
export function railOf(matrix: Matrix): Uint8Array {
  const rail = new Uint8Array(matrix.buckets);
  for (let column = 0; column < matrix.columns.length; column++) {
    const limit = SPIKE * (matrix.median[column] ?? NaN);
    for (let bucket = 0; bucket < matrix.buckets; bucket++) {
      const at = column * matrix.buckets + bucket;
      let bits = rail[bucket] ?? 0;
      if (kindOf(matrix.flags[at] ?? 0)) bits |= RAIL.broken;
      if ((matrix.max[at] ?? 0) >= limit && limit > 0) bits |= RAIL.spike;
      rail[bucket] = bits;
    }
  }
  return rail;
}
