/** Runs side by side by something else than their steps: time since their start, epochs, tokens, or a finding that all of them have. */

import { interpolate } from "./interpolate";
import type { Table } from "./table";
import type { Finding, RunDiagnosis } from "./types";
import type { Axis, Clock, Range } from "./zoom";

/** From a run's steps to places on the common axis, and back. */
export interface Warp {
  to: (step: number) => number;
  back: (place: number) => number;
}

/** What the runs are aligned by, with a warp for each; none by step. */
export interface Alignment {
  axis: Axis;
  warps: readonly Warp[] | null;
}

export const BY_STEP: Alignment = { axis: "step", warps: null };

/** The first finding of A that all have: its place in A's list, and where it begins in each run. */
export interface SharedFinding {
  at: number;
  title: string;
  firsts: number[];
}

function beginning(findings: readonly Finding[], code: string): number {
  return Math.min(...findings.filter((found) => found.code === code).map(({ first_step }) => first_step));
}

export function sharedFinding(diagnoses: readonly RunDiagnosis[]): SharedFinding | null {
  for (const [index, { code, title }] of (diagnoses[0]?.findings ?? []).entries()) {
    const firsts = diagnoses.map(({ findings }) => beginning(findings, code));
    if (firsts.every(Number.isFinite)) return { at: index + 1, title: `${code} ${title}`, firsts };
  }
  return null;
}

export function byFinding({ firsts }: SharedFinding): Alignment {
  const warps = firsts.map((first) => ({
    to: (step: number) => step - first,
    back: (place: number) => place + first,
  }));
  return { axis: "finding", warps };
}

/** The quantity of a run that tells its place on the axis at each step. */
export const CLOCKS: Readonly<Record<Clock, string>> = { time: "elapsed", epoch: "epoch", tokens: "tokens" };

/** From each run's table of its places. */
export function byClock(axis: Clock, clocks: readonly Table[]): Alignment {
  const warps = clocks.map(({ lastStep, last }) => ({
    to: (step: number) => interpolate(step, lastStep, last),
    back: (place: number) => interpolate(place, last, lastStep),
  }));
  return { axis, warps };
}

/** The same table on the common axis. */
export function warped<M extends Pick<Table, "firstStep" | "lastStep"> & { peakStep?: Float64Array }>(
  table: M,
  warp: Warp | undefined,
): M {
  if (!warp) return table;
  const moved = { firstStep: table.firstStep.map(warp.to), lastStep: table.lastStep.map(warp.to) };
  return { ...table, ...moved, ...(table.peakStep ? { peakStep: table.peakStep.map(warp.to) } : {}) };
}

/** From the first to the last place of all runs. */
export function commonExtent(extents: readonly Range[], { warps }: Alignment): Range {
  const places = extents.map(([first, last], at): Range => {
    const warp = warps?.[at];
    return warp ? [warp.to(first), warp.to(last)] : [first, last];
  });
  return [Math.min(...places.map(([first]) => first)), Math.max(...places.map(([, last]) => last))];
}
