/** The plugin's JSON documents, as the routes answer them. */

/** JSON has no NaN or Infinity; the routes send them as these words. */
export type Num = number | "NaN" | "Infinity" | "-Infinity";

export type Severity = "error" | "warning" | "info";
export type Status =
  | "broken"
  | "warning"
  | "healthy"
  | "nothing found"
  | "too early"
  | "too little recorded"
  | "unreadable"
  | "reading";
export type OutcomeKind = "findings" | "clear" | "not evaluated" | "nothing here" | "failed";

export interface RunSummary {
  run: string;
  status: Status;
  steps: number;
  first_step: number | null;
  last_step: number | null;
  last_walltime: number | null;
  /** Its writer was closed after all that it recorded. */
  ended: boolean;
  /** Seconds between records, lately. */
  period: number | null;
  counts: Record<Severity, number>;
  outcomes: Partial<Record<OutcomeKind, number>>;
  top: string;
  /** What was found, the worst first. */
  causes: CauseSummary[];
  /** What was set, but for what all runs have alike. */
  settings: Record<string, string>;
  /** The loss as a word: a character per point, "0" the lowest to "z" the highest, "-" for what is no number. */
  curve: string;
  loss: Num | null;
  /** The lowest validation loss. */
  best_validation: Num | null;
  quantities: string[];
  data_version: string;
  problem: string | null;
}

/** A cause with the severity of the worst that it led to. */
export interface CauseSummary {
  code: string;
  title: string;
  severity: Severity;
  first_step: number;
}

/** A run of TensorBoard's with scalars of which none is known as a loss that should fall. */
export interface LeftOut {
  run: string;
  /** Some of its tags, those first that may be the loss. */
  tags: string[];
  /** Tags that are not named here. */
  more: number;
  /** The tag that may be the loss by what it is called, else "". */
  perhaps: string;
  /** The tag that says that its loss measures no progress, else "". */
  no_descent: string;
}

/** A row as it is sent: which list of `recorded` it has. */
export interface PackedRun extends Omit<RunSummary, "quantities"> {
  quantities: number;
}

/** The answer as it is sent. */
export interface PackedRuns extends Omit<Runs, "runs"> {
  runs: PackedRun[];
  recorded: string[][];
}

export interface Runs {
  version: number;
  runs: RunSummary[];
  without_data: string[];
  left_out: LeftOut[];
  logdir: string;
  /** Names this answer; "" while runs are still being read. */
  state: string;
  /** The server's clock, seconds since the epoch. */
  now: number;
  /** The file that counts, and why it could not be used. */
  configuration: { file: string; problem: string };
  /** What is wrong with other packages' rules. */
  extensions: string[];
}

/** The series that a rule judged, where no recorded quantity is that. */
export interface Judged {
  name: string;
  unit: string;
  /** Step of the point that decided. */
  at: number;
  steps: number[];
  values: number[];
}

export interface Evidence {
  quantity: string;
  column: string;
  first_step: number;
  last_step: number;
  observed: Num | null;
  threshold: Num | null;
  judged: Judged | null;
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
  outcome: Exclude<OutcomeKind, "nothing here">;
  /** It looks at what this run has not: recording more would not let it judge. */
  absent: boolean;
  missing: string[];
  reason: string;
}

/** A finding that somebody has accepted, with the reason they gave. */
export interface Accepted extends Finding {
  reason: string;
}

/** A moment, with the finding that it is about. */
export interface Report extends Moment {
  code: string;
  subject: string;
}

/** A place where the run was taken up again. */
export interface Restart {
  kind: "resumed" | "went back" | "renumbered" | "beside";
  step: number;
  walltime: number;
  /** Records of earlier sessions that are hidden since. */
  undone: number;
  /** The user's own number of the step. */
  named: number;
}

/** What to do so that these rules can judge. */
export interface Unlock {
  how: string;
  rules: string[];
}

export interface RunDiagnosis {
  run: string;
  status: Status;
  steps: number;
  facts: Record<string, unknown>;
  findings: Finding[];
  suppressed: Accepted[];
  /** Everything that was reported while the training ran, found still or not. */
  reported: Report[];
  restarts: Restart[];
  outcomes: Outcome[];
  /** What would let more rules judge; what unlocks most comes first. */
  unlocks: Unlock[];
  /** Why the run could not be judged; a run that could has none. */
  problem?: string;
}

/** Where a curve of two runs parts. */
export interface Parting {
  quantity: string;
  column: string;
  records: number;
  first_difference: number | null;
  parts_at: number | null;
  a: Num | null;
  b: Num | null;
  noise: Num | null;
  exact: boolean;
  /** Columns of this quantity that part. */
  columns: number;
}

/** One of two runs that are compared. */
export interface Head {
  run: string;
  status: Status;
  steps: number;
}

/** Two runs, `a` before and `b` after a change. */
export interface Comparison {
  version: number;
  a: Head;
  b: Head;
  findings: {
    fixed: Finding[];
    new: Finding[];
    /** One of them may be accepted in its run. */
    still: { a: Finding | Accepted; b: Finding | Accepted }[];
    unclear: { in: "a" | "b"; finding: Finding; reason: string }[];
  };
  curves: Parting[];
  facts: { name: string; a: string; b: string }[];
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
  /** What quantities are called, in the page's language. */
  quantities: Record<string, string>;
}

/** The number behind a JSON value; null stays null. */
export function toNumber(value: Num | null): number | null {
  return typeof value === "string" ? Number(value) : value;
}
