/** The list of runs, kept up to date while somebody looks. */
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { getRuns } from "../data/client";
import type { Resource } from "../data/resource";
import type { RunSummary, Runs } from "../data/types";
import { isExported } from "../host/exported";
import type { View } from "../host/hash";
import { onOccasion, type Pace, pause } from "../host/live";
import { isShown } from "../host/window";
import type { Lang } from "../i18n";
import { sortedRuns, WORST_FIRST } from "../views/runs/runOrder";

export interface LiveRuns extends Resource<Runs> {
  live: boolean;
  setLive: (live: boolean) => void;
  /** Seconds between the server's clock and ours. */
  skew: number;
  /** Failures in a row. */
  failures: number;
}

interface Held {
  lang: Lang;
  value: Runs | undefined;
  error: Error | undefined;
  failures: number;
  skew: number;
}

/** Whether a run is still being read: the server names a state once every row is of the newest records. */
function waitingIn(runs: Runs | undefined): boolean {
  return runs?.state === "";
}

/** One look at the server: what is held afterwards. */
async function look(old: Held, lang: Lang, first: string | undefined, signal: AbortSignal): Promise<Held> {
  const have = old.lang === lang && !old.error ? (old.value?.state ?? "") : "";
  try {
    const value = await getRuns(lang, have, first, signal);
    const same = { lang, error: undefined, failures: 0 };
    if (value === null) return { ...old, ...same };
    // The answer of an export is as old as the export: ages are told by the reader's own clock.
    return { ...same, value, skew: isExported() ? 0 : value.now - Date.now() / 1000 };
  } catch (error) {
    return { ...old, lang, error: error as Error, failures: old.failures + 1 };
  }
}

export function useRuns(lang: Lang, first: string | undefined): LiveRuns {
  const [held, setHeld] = useState<Held>({ lang, value: undefined, error: undefined, failures: 0, skew: 0 });
  const [live, setLive] = useState(!isExported());
  const [tick, setTick] = useState(0);
  const latest = useRef(held);
  latest.current = held;
  const again = useCallback(() => setTick((count) => count + 1), []);
  useEffect(() => {
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const plan = (pace: Pace) => {
      const wait = pause(pace);
      if (wait !== null) timer = setTimeout(() => (isShown() ? again() : plan(pace)), wait);
    };
    look(latest.current, lang, first, abort.signal).then((next) => {
      if (abort.signal.aborted) return;
      setHeld(next);
      plan({ waiting: waitingIn(next.value), failures: next.failures, live });
    });
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [tick, lang, live]);
  useEffect(() => onOccasion(again), [again]);
  // Who opens a run that is not judged yet is told at once: the server puts it before the others.
  const waited = held.value?.runs.some(({ run, status }) => run === first && status === "reading");
  useEffect(() => {
    if (waited) again();
  }, [first]);
  const { value, error, failures, skew } = held;
  const loading = value === undefined && error === undefined;
  return { value, error, loading, retry: again, live, setLive, skew, failures };
}

/**
 * The run of the link, or the one that is worst once all are judged; from then on the page never changes it by itself.
 * A view of one run shows the worst so far.
 */
export function useChosenRun(
  runs: Runs | undefined,
  name: string | undefined,
  view: View = "overview",
): RunSummary | undefined {
  const first = useRef<string | undefined>(undefined);
  const known = runs?.runs ?? [];
  const read = known.filter(({ status }) => status !== "reading");
  // Which run is worst is not known while some are still being read; one alone has nothing to wait for.
  const enough = known.length === 1 || read.length === known.length || view !== "overview";
  if (first.current === undefined && enough) {
    first.current = sortedRuns(known.length === 1 ? known : read, WORST_FIRST)[0]?.run;
  }
  const byName = (wanted: string | undefined) => known.find(({ run }) => run === wanted);
  return byName(name) ?? byName(first.current) ?? (first.current === undefined ? undefined : known[0]);
}
