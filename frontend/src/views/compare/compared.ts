/** What two to six runs have in common and where they differ. */
import { everyFinding } from "../../data/findings";
import type { Finding, Parting, RunDiagnosis } from "../../data/types";
import { SEVERITIES } from "../../parts/Status";
import { formatInteger } from "../../text/numbers";

/** What the runs are called for short. */
export const LETTERS = ["A", "B", "C", "D", "E", "F"] as const;
export const MOST = LETTERS.length;

/** A finding across runs: by rule and subject, each run's own or none. */
export interface Shared {
  key: string;
  code: string;
  title: string;
  subject: string;
  found: (Finding | null)[];
}

export function acrossRuns(diagnoses: RunDiagnosis[]): Shared[] {
  const entries = new Map<string, Shared>();
  diagnoses.forEach((diagnosis, at) => {
    for (const finding of everyFinding(diagnosis.findings)) {
      const key = JSON.stringify([finding.code, finding.subject]);
      const { code, title, subject } = finding;
      const entry = entries.get(key) ?? { key, code, title, subject, found: diagnoses.map(() => null) };
      entry.found[at] ??= finding;
      entries.set(key, entry);
    }
  });
  return [...entries.values()];
}

/** Facts whose values differ, by name, or all of them. */
export function differing(facts: Record<string, unknown>[], all = false): [string, string[]][] {
  const names = [...new Set(facts.flatMap((own) => Object.keys(own)))].sort();
  const rows = names.map((name): [string, string[]] => [name, facts.map((own) => text(own[name]))]);
  return all ? rows : rows.filter(([, values]) => new Set(values).size > 1);
}

function text(value: unknown): string {
  if (value === undefined || value === null) return "–";
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** What a fact is about: what was set, at which levels the curves are, which thresholds of rules hold. */
export type About = "settings" | "levels" | "rules";

export function aboutOf(name: string): About {
  if (name === "recorded" || /^[A-Z]+\d+\.\w/.test(name)) return "rules";
  return /, (first records|last quarter)$/.test(name) ? "levels" : "settings";
}

/** A fact's value as numbers are written on the page; digits of a name, a seed or a commit are no number. */
export function factValue(name: string, value: string, lang: string): string {
  const measured = aboutOf(name) !== "settings" || /^(parameters|last step)$|, \w+$/.test(name);
  return measured && /^-?\d+$/.test(value) ? formatInteger(Number(value), lang) : value || "–";
}

/** What somebody set: of what parts at the same step it comes before what followed. */
const SET = ["learning_rate", "momentum", "beta2", "weight_decay", "clip_max_norm", "batch_size"];

/** Facts by how likely they are what somebody tried out: rates and the like, the optimizer, then the rest. */
export function settingsFirst<T>(rows: readonly [string, T][]): [string, T][] {
  const place = (name: string) =>
    [...SET, "optimizer", "scheduler", "weights"].findIndex((set) => name.startsWith(set));
  const order = (name: string) => (place(name) < 0 ? SET.length + 3 : place(name));
  return [...rows].sort(([a], [b]) => order(a) - order(b));
}

/** The curves that part, the first of them first: what went another way first is nearest to the cause. */
export function partingFirst(curves: readonly Parting[]): Parting[] {
  const parted = curves.filter(({ parts_at }) => parts_at !== null);
  const set = ({ quantity }: Parting) => Number(!SET.includes(quantity));
  return parted.sort((a, b) => (a.parts_at ?? 0) - (b.parts_at ?? 0) || set(a) - set(b));
}

/** Errors before notes; those of one severity stay in their order. */
export function worstFirst<T extends { finding: Pick<Finding, "severity"> }>(entries: readonly T[]): T[] {
  const rank = ({ finding }: T) => SEVERITIES.indexOf(finding.severity);
  return [...entries].sort((a, b) => rank(a) - rank(b));
}
