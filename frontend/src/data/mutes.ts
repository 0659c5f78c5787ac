/** Findings that were put aside in this browser, with the reason: kept by run, and followed by every view. */
import { useEffect, useMemo, useState } from "preact/hooks";
import { recall, remember, remembered } from "../host/storage";
import { idOf, kindOf, severityOf } from "./findings";
import type { CauseSummary, Finding, RunDiagnosis, RunSummary, Runs, Severity, Status } from "./types";

/** Reasons by identifier. */
export type Mutes = ReadonlyMap<string, string>;

const KEPT = "mutes ";

/** Mutes of a run; those of earlier versions have no reasons. */
export function readMutes(run: string): Mutes {
  const old = (recall(`muted ${run}`) ?? "").split("\n").filter((id) => id !== "");
  const mutes = new Map(old.map((id) => [id, ""]));
  try {
    const kept = JSON.parse(recall(KEPT + run) ?? "{}") as Record<string, string>;
    for (const [id, reason] of Object.entries(kept)) mutes.set(id, String(reason));
  } catch {
    // What is no JSON was not written here.
  }
  return mutes;
}

const listeners = new Set<() => void>();

export function writeMutes(run: string, mutes: Mutes): void {
  remember(`muted ${run}`, "");
  remember(KEPT + run, JSON.stringify(Object.fromEntries(mutes)));
  for (const listener of listeners) listener();
}

/** Counts up whenever something is muted or no longer so. */
export function useMuteCount(): number {
  const [count, setCount] = useState(0);
  useEffect(() => {
    const changed = () => setCount((old) => old + 1);
    listeners.add(changed);
    return () => {
      listeners.delete(changed);
    };
  }, []);
  return count;
}

/** What a run is called without the findings that were put aside. */
function statusWithout(
  status: Status,
  severities: readonly Severity[],
  outcomes: RunSummary["outcomes"],
): Status {
  if (status !== "broken" && status !== "warning") return status;
  if (severities.includes("error")) return "broken";
  if (severities.includes("warning")) return "warning";
  const looked = (outcomes.clear ?? 0) + (outcomes.findings ?? 0) + (outcomes["nothing here"] ?? 0);
  return 2 * looked >= looked + (outcomes["not evaluated"] ?? 0) ? "healthy" : "nothing found";
}

/** A run's finding, of which the list knows no subject. */
function isMuted({ code, first_step }: CauseSummary, mutes: Mutes): boolean {
  const base = `${code}:${first_step}`;
  return [...mutes.keys()].some((id) => id === base || id.startsWith(`${base}:`));
}

function withoutCauses(run: RunSummary, mutes: Mutes): RunSummary {
  const causes = run.causes.filter((cause) => !isMuted(cause, mutes));
  if (causes.length === run.causes.length) return run;
  const counts = { ...run.counts };
  for (const cause of run.causes) if (!causes.includes(cause)) counts[cause.severity] -= 1;
  const status = statusWithout(
    run.status,
    causes.map(({ severity }) => severity),
    run.outcomes,
  );
  return { ...run, causes, counts, status, top: causes[0]?.title ?? "" };
}

/** The list of runs, of which no count and no state speaks of what was put aside. */
export function withoutMuted(runs: Runs): Runs {
  const named = remembered(KEPT);
  if (named.length === 0) return runs;
  const known = new Set(named);
  return {
    ...runs,
    runs: runs.runs.map((run) => (known.has(run.run) ? withoutCauses(run, readMutes(run.run)) : run)),
  };
}

/** A diagnosis, and what was put aside of it. */
export interface Shown extends RunDiagnosis {
  muted: Finding[];
}

export function setAside(diagnosis: RunDiagnosis, mutes: Mutes): Shown {
  const isAside = (finding: Finding) => mutes.has(idOf(finding));
  const findings = diagnosis.findings.filter((finding) => !isAside(finding));
  const muted = diagnosis.findings.filter(isAside);
  if (muted.length === 0) return { ...diagnosis, muted };
  const outcomes: RunSummary["outcomes"] = {};
  for (const outcome of diagnosis.outcomes) {
    const kind = kindOf(outcome);
    outcomes[kind] = (outcomes[kind] ?? 0) + 1;
  }
  return {
    ...diagnosis,
    findings,
    muted,
    status: statusWithout(diagnosis.status, findings.map(severityOf), outcomes),
  };
}

export function useShownRuns(runs: Runs | undefined): Runs | undefined {
  const count = useMuteCount();
  return useMemo(() => (runs ? withoutMuted(runs) : undefined), [runs, count]);
}

export function useShownDiagnosis(diagnosis: RunDiagnosis | undefined): Shown | undefined {
  const count = useMuteCount();
  return useMemo(
    () => (diagnosis ? setAside(diagnosis, readMutes(diagnosis.run)) : undefined),
    [diagnosis, count],
  );
}
