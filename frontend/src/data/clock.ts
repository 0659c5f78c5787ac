/** When a step was: the run's time since its start, and the time of day. */
import { createContext } from "preact";
import { useMemo } from "preact/hooks";
import { getTable } from "./client";
import { interpolate } from "./interpolate";
import { useResource } from "./resource";
import type { RunSummary } from "./types";

export interface RunClock {
  /** Seconds since the run's first record. */
  since: (step: number) => number;
  /** Milliseconds since the epoch. */
  at: (step: number) => number;
}

const POINTS = 600;
const ELAPSED = "elapsed";

/** The clock of the run that is shown. */
export const ClockContext = createContext<RunClock | null>(null);

/** Null until it is known, and of runs without times. */
export function useClock(run: RunSummary): RunClock | null {
  const about = run.quantities.includes(ELAPSED) ? JSON.stringify([run.run, ELAPSED]) : null;
  const table = useResource(about, run.data_version, (signal) =>
    getTable(run.run, ELAPSED, signal, { points: POINTS }),
  ).value;
  const end = run.last_walltime;
  return useMemo(() => {
    if (!table || table.buckets === 0 || end === null) return null;
    const all = table.last[table.buckets - 1] ?? 0;
    const since = (step: number) => interpolate(step, table.lastStep, table.last);
    return { since, at: (step: number) => 1000 * (end - all + since(step)) };
  }, [table, end]);
}

/** The time of day, with the day where it is not today's. */
export function timeOfDay(milliseconds: number, lang: string, now = Date.now()): string {
  const [then, today] = [new Date(milliseconds), new Date(now)];
  const time = then.toLocaleTimeString(lang);
  return then.toDateString() === today.toDateString() ? time : `${then.toLocaleDateString(lang)} ${time}`;
}
