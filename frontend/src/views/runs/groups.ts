/** Runs by what is wrong with them, or by their folder: hundreds of runs are a handful of causes. */
import { type CauseSummary, type RunSummary, type Severity, toNumber } from "../../data/types";
import { SEVERITIES } from "../../parts/Status";
import { Features, type Trait } from "./features";
import { sortedRuns, WORST_FIRST } from "./runOrder";

export const GROUPINGS = ["cause", "folder", "none"] as const;
export type Grouping = (typeof GROUPINGS)[number];

/** Runs with one answer. */
export interface Group {
  key: string;
  /** The cause that leads in all of them; none for those in which nothing is wrong. */
  cause: CauseSummary | null;
  /** State or folder, where it is no cause that they share. */
  name: string;
  severity: Severity | null;
  /** The newest first. */
  runs: RunSummary[];
  /** First and last of the steps at which it begins. */
  since: [number, number] | null;
  traits: Trait[];
  worst: RunSummary | undefined;
  best: RunSummary | undefined;
}

/** What leads: the worst cause that is no mere note. */
export function leading(run: RunSummary): CauseSummary | null {
  for (const severity of SEVERITIES) {
    const found = severity === "info" ? undefined : run.causes.find((cause) => cause.severity === severity);
    if (found) return found;
  }
  return null;
}

export function folderOf(run: string): string {
  const cut = run.lastIndexOf("/");
  return cut < 0 ? "" : run.slice(0, cut);
}

export function newestFirst(runs: readonly RunSummary[]): RunSummary[] {
  return [...runs].sort((a, b) => (b.last_walltime ?? 0) - (a.last_walltime ?? 0));
}

const NOTHING_WRONG = new Set(["healthy", "nothing found"]);

/** The run without a cause that has the lowest loss. */
export function bestOf(runs: readonly RunSummary[]): RunSummary | undefined {
  const lossOf = (run: RunSummary) => toNumber(run.loss) ?? Number.POSITIVE_INFINITY;
  const good = runs.filter((run) => NOTHING_WRONG.has(run.status) && Number.isFinite(lossOf(run)));
  return good.sort((a, b) => lossOf(a) - lossOf(b))[0];
}

function keyOf(run: RunSummary, by: Grouping): string {
  if (by === "folder") return folderOf(run.run);
  const cause = leading(run);
  return cause ? cause.code : `${run.status}`;
}

function sinceOf(runs: readonly RunSummary[], code: string): [number, number] | null {
  const steps = runs.flatMap(({ causes }) => causes.find((cause) => cause.code === code)?.first_step ?? []);
  return steps.length > 0 ? [Math.min(...steps), Math.max(...steps)] : null;
}

function groupOf(key: string, runs: RunSummary[], by: Grouping, features: Features): Group {
  const cause = by === "cause" ? (runs[0] ? leading(runs[0]) : null) : null;
  const severities = runs.flatMap((run) => leading(run)?.severity ?? []);
  const severity = SEVERITIES.find((each) => severities.includes(each)) ?? null;
  return {
    ...{ key, cause, severity, name: cause ? "" : key },
    runs: newestFirst(runs),
    since: cause ? sinceOf(runs, cause.code) : null,
    traits: runs[0]?.status === "reading" ? [] : features.traits(runs),
    worst: severity ? sortedRuns(runs, WORST_FIRST)[0] : undefined,
    best: bestOf(runs),
  };
}

const RANK: Record<Severity, number> = { error: 3, warning: 2, info: 1 };

/** The worst group first, of equally bad ones the largest; what is still being read comes last. */
export function grouped(runs: readonly RunSummary[], by: Grouping): Group[] {
  // What was set for a run that is still being read is not known, so it tells nothing from the others.
  const features = new Features(runs.filter(({ status }) => status !== "reading"));
  const members = new Map<string, RunSummary[]>();
  for (const run of runs) {
    const key = keyOf(run, by);
    members.set(key, [...(members.get(key) ?? []), run]);
  }
  const rank = ({ severity, key }: Group) => (severity ? RANK[severity] : key === "reading" ? -1 : 0);
  return [...members]
    .map(([key, own]) => groupOf(key, own, by, features))
    .sort((a, b) => rank(b) - rank(a) || b.runs.length - a.runs.length || (a.key < b.key ? -1 : 1));
}
