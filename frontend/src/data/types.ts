/** The plugin's JSON documents, as the routes answer them. */

/** JSON has no NaN or Infinity; the routes send them as these words. */
export type Num = number | "NaN" | "Infinity" | "-Infinity";

export type Severity = "error" | "warning" | "info";
export type Status = "error" | "warning" | "healthy" | "too early" | "unreadable" | "reading";
export type OutcomeKind = "findings" | "clear" | "not evaluated" | "failed";

export interface RunSummary {
  run: string;
  status: Status;
  steps: number;
  first_step: number | null;
  last_step: number | null;
  last_walltime: number | null;
  /** Seconds between records, lately. */
  period: number | null;
  counts: Record<Severity, number>;
  outcomes: Partial<Record<OutcomeKind, number>>;
  top: string;
  loss: Num | null;
  quantities: string[];
  data_version: string;
  problem: string | null;
}

export interface Runs {
  version: number;
  runs: RunSummary[];
  without_data: string[];
  logdir: string;
  /** Names this answer; "" while runs are still being read. */
  state: string;
  /** The server's clock, seconds since the epoch. */
  now: number;
}

export interface Evidence {
  quantity: string;
  column: string;
  first_step: number;
  last_step: number;
  observed: Num | null;
  threshold: Num | null;
}

export interface Moment {
  state: "appeared" | "cleared";
  severity: Severity;
  step: number;
  walltime: number;
}

export interface Finding {
  code: string;
  name: string;
  title: string;
  severity: Severity;
  subject: string;
  first_step: number;
  last_step: number;
  /** Whether it was still so when its evidence was last recorded. */
  ongoing: boolean;
  message: string;
  advice: string;
  numbers: Record<string, Num>;
  evidence: Evidence[];
  /** When it was reported while the training ran, in that order. */
  reported: Moment[];
  explains: Finding[];
}

export interface Outcome {
  code: string;
  name: string;
  outcome: OutcomeKind;
  missing: string[];
  reason: string;
}

export interface RunDiagnosis {
  run: string;
  status: Status;
  steps: number;
  facts: Record<string, unknown>;
  findings: Finding[];
  outcomes: Outcome[];
}

export interface Diagnosis {
  version: number;
  runs: RunDiagnosis[];
}

export interface Rule {
  code: string;
  name: string;
  severity: Severity;
  title: string;
  documentation: string;
  reads: string[];
  explains: string[];
  thresholds: Record<string, unknown>;
}

export interface Rules {
  version: number;
  rules: Rule[];
}

/** The number behind a JSON value; null stays null. */
export function toNumber(value: Num | null): number | null {
  return typeof value === "string" ? Number(value) : value;
}
