/** A layer's gradient by the size of its elements, at each check-up that took a histogram. */
import { getTable } from "./client";
import { type Resource, useResource } from "./resource";
import { Flag, type Table } from "./table";
import type { RunSummary } from "./types";

export const BINS = 32;
/** Quantities that a histogram travels in: each value holds three shares of 8 bits. */
export const PACKED = Array.from({ length: 11 }, (_, at) => `bins_${at}`);
const FIRST_DECADE = -12;
const PER_DECADE = 2;
const LEAST = 4;
const CODES = 254;

export interface Histogram {
  step: number;
  /** Share of the elements that are 0. */
  zeros: number;
  /** Share of the elements in each bin. */
  shares: number[];
}

/** The smallest element of a bin; the first bin begins above 0. */
export function edgeOf(bin: number): number {
  return bin === 0 ? 0 : 10 ** (FIRST_DECADE + (bin - 1) / PER_DECADE);
}

function shareOf(code: number): number {
  return code === 0 ? 0 : 10 ** (LEAST * ((code - 1) / CODES - 1));
}

function sharesOf(values: number[]): number[] {
  return values.flatMap((value) => [0, 8, 16].map((shift) => shareOf((value >> shift) & 255)));
}

/** One table of one column for each of `PACKED`. */
export function histogramsOf(tables: Table[]): Histogram[] {
  const [first] = tables;
  if (!first) return [];
  return Array.from(first.lastStep, (step, at) => ({ step, at }))
    .filter(({ at }) => ((first.flags[at] ?? 0) & Flag.absent) === 0)
    .map(({ step, at }) => {
      const [zeros = 0, ...shares] = sharesOf(tables.map(({ last }) => last[at] ?? 0));
      return { step, zeros, shares };
    });
}

/** The size that so many of the elements stay below: the upper edge of its bin; 0 where as many are 0. */
export function quantileOf({ zeros, shares }: Histogram, share: number): number {
  const whole = shares.reduce((sum, each) => sum + each, zeros);
  let below = zeros;
  if (below >= share * whole) return 0;
  for (let bin = 0; bin < shares.length; bin++) {
    below += shares[bin] ?? 0;
    if (below >= share * whole) return edgeOf(bin + 1);
  }
  return edgeOf(shares.length);
}

/** First and last bin that any of them uses, one more on each side where there is one. */
export function usedBins(all: Histogram[]): [number, number] {
  const used = Array.from({ length: BINS }, (_, bin) => bin).filter((bin) =>
    all.some(({ shares }) => (shares[bin] ?? 0) > 0),
  );
  return [Math.max(0, (used[0] ?? 0) - 1), Math.min(BINS - 1, (used.at(-1) ?? BINS - 1) + 1)];
}

/** Null where the layer has none. */
export function useHistograms(run: RunSummary, layer: string): Resource<Histogram[] | null> {
  const [named = ""] = PACKED;
  return useResource(JSON.stringify([run.run, named, layer]), run.data_version, async (signal) => {
    const { columns } = await getTable(run.run, named, signal, { points: 1 });
    const index = columns.indexOf(layer);
    if (index < 0) return null;
    const part = { columns: [index] };
    return histogramsOf(await Promise.all(PACKED.map((name) => getTable(run.run, name, signal, part))));
  });
}
