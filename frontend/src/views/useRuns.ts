/** The list of runs: read at the start, every few seconds while shown, and when TensorBoard reloads. */
import { useEffect, useState } from "preact/hooks";
import { getRuns } from "../data/client";
import { type Resource, useResource } from "../data/resource";
import type { RunSummary, Runs } from "../data/types";
import { onDataReloaded } from "../host/ipc";
import { isShown } from "../host/window";
import type { Lang } from "../i18n";

const PERIOD_MS = 5000;

export function useRuns(lang: Lang): Resource<Runs> {
  const [tick, setTick] = useState(0);
  useEffect(() => {
    const again = () => setTick((count) => count + 1);
    const timer = setInterval(() => {
      if (isShown()) again();
    }, PERIOD_MS);
    const stop = onDataReloaded(again);
    // Shown again after another tab was open: read at once instead of at the next period.
    const shown = () => {
      if (isShown()) again();
    };
    window.addEventListener("resize", shown);
    return () => {
      clearInterval(timer);
      stop();
      window.removeEventListener("resize", shown);
    };
  }, []);
  return useResource(`runs ${lang}`, String(tick), (signal) => getRuns(lang, signal));
}

/** The run of the link, or the first one that has data. */
export function chosenRun(runs: Runs | undefined, name: string | undefined): RunSummary | undefined {
  return runs?.runs.find(({ run }) => run === name) ?? runs?.runs[0];
}
