/** Small made-up documents and tables for the tests. */
import { Flag, type Matrix, type Table } from "../src/data/table";
import type { Finding, PackedRuns, RunDiagnosis, RunSummary, Runs } from "../src/data/types";

/** A table from rows of numbers, one row per column; NaN means "nothing recorded". */
export function makeTable(rows: number[][], columns = rows.map((_, index) => `layer${index}`)): Table {
  const buckets = rows[0]?.length ?? 0;
  const steps = Float64Array.from({ length: buckets }, (_, index) => index * 10);
  const values = Float32Array.from(rows.flat());
  const flags = Uint8Array.from(rows.flat(), (value) => {
    if (Number.isNaN(value)) return Flag.absent;
    if (value === Number.POSITIVE_INFINITY) return Flag.plusInf;
    return value === 0 ? Flag.zero : 0;
  });
  return {
    quantity: "gradient_norm",
    unit: "L2 norm",
    axis: "parameter",
    columns,
    records: buckets,
    buckets,
    windows: false,
    firstStep: steps,
    lastStep: steps.slice(),
    min: values,
    max: values.slice(),
    last: values.slice(),
    peakStep: Float64Array.from(rows.flat(), (_, index) => (index % Math.max(1, buckets)) * 10),
    flags,
  };
}

/** The same as a matrix, with the medians of what is finite. */
export function makeMatrix(rows: number[][], columns?: string[]): Matrix {
  const median = Float32Array.from(rows, (row) => {
    const finite = row.filter(Number.isFinite).sort((a, b) => a - b);
    return finite[Math.floor(finite.length / 2)] ?? NaN;
  });
  return { ...makeTable(rows, columns), median };
}

export function makeFinding(change: Partial<Finding> = {}): Finding {
  return {
    code: "LD101",
    name: "non-finite-loss",
    title: "The loss became NaN",
    severity: "error",
    subject: "",
    first_step: 100,
    last_step: 200,
    ongoing: false,
    message: "The loss became NaN at step 100.",
    advice: "Clip the gradients:\n\n```python\nclip()\n```\n",
    numbers: { ratio: 1900, after: "NaN" },
    evidence: [],
    reported: [],
    explains: [],
    ...change,
  };
}

export function makeRun(change: Partial<RunSummary> = {}): RunSummary {
  return {
    run: "vae",
    status: "broken",
    steps: 200,
    first_step: 0,
    last_step: 200,
    last_walltime: 1.79e9,
    ended: false,
    period: 1,
    counts: { error: 1, warning: 0, info: 0 },
    outcomes: { findings: 1, clear: 11, "not evaluated": 2 },
    top: "",
    causes: [],
    settings: {},
    curve: "",
    loss: "NaN",
    best_validation: null,
    quantities: [],
    data_version: "1",
    problem: null,
    ...change,
  };
}

export function makeRuns(change: Partial<Runs> = {}): Runs {
  return {
    version: 1,
    runs: [makeRun()],
    without_data: [],
    left_out: [],
    logdir: "/data",
    state: "1",
    now: 1.79e9,
    configuration: { file: "", problem: "" },
    extensions: [],
    ...change,
  };
}

/** As the server sends it. */
export function packed({ runs, ...rest }: Runs): PackedRuns {
  const rows = runs.map((run, at) => ({ ...run, quantities: at }));
  return { ...rest, runs: rows, recorded: runs.map(({ quantities }) => quantities) };
}

export function makeDiagnosis(change: Partial<RunDiagnosis> = {}): RunDiagnosis {
  return {
    run: "vae",
    status: "broken",
    steps: 200,
    facts: {},
    findings: [makeFinding()],
    suppressed: [],
    reported: [],
    restarts: [],
    outcomes: [
      { code: "LD102", name: "loss-divergence", outcome: "clear", absent: false, missing: [], reason: "" },
      {
        code: "LD405",
        name: "term-conflict",
        outcome: "not evaluated",
        absent: false,
        missing: ["loss_term"],
        reason: "",
      },
    ],
    unlocks: [{ how: "pass loss_terms= to add_diagnostics", rules: ["LD405"] }],
    ...change,
  };
}

/** One training of `makeSweep`. */
export interface Trial {
  rate: string;
  optimizer: string;
  seed: number;
  bad: boolean;
  /** How many come before it. */
  index: number;
}

/** Learning rates × optimizers × seeds: a rate of 10 always fails, a rate of 1 with adam; what else a run has is told by `more`. */
export function makeSweep(more: (trial: Trial) => Partial<RunSummary>, seeds = 5): RunSummary[] {
  const runs: RunSummary[] = [];
  for (const rate of ["0.1", "1.0", "10.0"]) {
    for (const optimizer of ["sgd", "adam"]) {
      for (let seed = 0; seed < seeds; seed++) {
        const bad = rate === "10.0" || (rate === "1.0" && optimizer === "adam");
        const status = bad ? "broken" : "healthy";
        const trial = { rate, optimizer, seed, bad, index: runs.length };
        runs.push(makeRun({ status, ...more(trial) }));
      }
    }
  }
  return runs;
}
