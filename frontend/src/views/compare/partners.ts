/** With what a run is best compared: a sound run that was set most alike, the best one, the one before it. */
import type { RunSummary } from "../../data/types";
import { shared } from "../runs/features";
import { bestOf, folderOf, newestFirst } from "../runs/groups";

export type Reason = "alike" | "best" | "before" | "folder";

export interface Partner {
  run: RunSummary;
  reason: Reason;
}

/** The sound run that shares the most with it. */
function alike(run: RunSummary, others: readonly RunSummary[]): RunSummary | undefined {
  const sound = others.filter(({ status }) => status === "healthy" || status === "nothing found");
  const scored = sound.map((other) => ({ other, score: shared(run, other) }));
  return scored.sort((a, b) => b.score - a.score)[0]?.other;
}

/** The newest run that ended before it did. */
function before(run: RunSummary, others: readonly RunSummary[]): RunSummary | undefined {
  const time = run.last_walltime ?? 0;
  return newestFirst(others).find(({ last_walltime }) => last_walltime !== null && last_walltime < time);
}

/** At most one per reason, none twice. */
export function partnersOf(run: RunSummary, runs: readonly RunSummary[]): Partner[] {
  const others = runs.filter(
    (other) => other.run !== run.run && other.problem === null && other.status !== "reading",
  );
  const near = others.filter((other) => folderOf(other.run) === folderOf(run.run));
  const found: [Reason, RunSummary | undefined][] = [
    ["alike", alike(run, others)],
    ["best", bestOf(others)],
    ["before", before(run, others)],
    ["folder", newestFirst(near)[0]],
  ];
  const partners: Partner[] = [];
  for (const [reason, other] of found) {
    if (other && partners.every((partner) => partner.run !== other)) partners.push({ run: other, reason });
  }
  return partners;
}
