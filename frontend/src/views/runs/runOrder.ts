/** The order of the runs in the overview: the worst first, or by a column. */
import { type RunSummary, type Status, toNumber } from "../../data/types";
import type { Sorting } from "../../parts/SortHead";
import { SEVERITIES } from "../../parts/Status";

export const COLUMNS = ["run", "status", "findings", "steps", "loss", "lastData", "checks"] as const;
export type ColumnName = (typeof COLUMNS)[number];

export const WORST_FIRST: Sorting<ColumnName> = { by: "status", down: true };

/** From what needs no look to what needs one most; of a run that is still being read nothing is known. */
export const STATUSES: readonly Status[] = [
  "reading",
  "healthy",
  "nothing found",
  "too early",
  "too little recorded",
  "unreadable",
  "warning",
  "broken",
];

export function checksOf(run: RunSummary): { passed: number; all: number } {
  const { findings = 0, clear = 0, failed = 0, "not evaluated": skipped = 0 } = run.outcomes;
  return { passed: clear, all: findings + clear + failed + skipped };
}

/** NaN is larger than every number; what is not known has no place. */
function numberOf(run: RunSummary, by: ColumnName): number | null {
  if (by === "steps") return run.steps;
  if (by === "lastData") return run.last_walltime;
  if (by === "loss") {
    const loss = toNumber(run.loss);
    return loss !== null && Number.isNaN(loss) ? Number.POSITIVE_INFINITY : loss;
  }
  const { passed, all } = checksOf(run);
  return all === 0 ? null : passed / all;
}

function byCounts(a: RunSummary, b: RunSummary): number {
  for (const severity of SEVERITIES) {
    const more = a.counts[severity] - b.counts[severity];
    if (more !== 0) return more;
  }
  return 0;
}

function byStatus(a: RunSummary, b: RunSummary): number {
  return STATUSES.indexOf(a.status) - STATUSES.indexOf(b.status) || byCounts(a, b);
}

function byName(a: RunSummary, b: RunSummary): number {
  return a.run.localeCompare(b.run, undefined, { numeric: true });
}

/** Equal runs are in the order of their names; what a column does not know comes last, whichever way it is sorted. */
export function sortedRuns(runs: readonly RunSummary[], { by, down }: Sorting<ColumnName>): RunSummary[] {
  const compare = { run: byName, status: byStatus, findings: byCounts }[by as "run"];
  const way = down ? -1 : 1;
  return [...runs].sort((a, b) => {
    if (compare) return way * compare(a, b) || byName(a, b);
    const [left, right] = [numberOf(a, by), numberOf(b, by)];
    if (left === null || right === null)
      return Number(left === null) - Number(right === null) || byName(a, b);
    return left === right ? byName(a, b) : left < right ? -way : way;
  });
}
