/** Which settings go with good and with bad outcomes, over many runs: one setting at a time, by the values that runs have of it. */
import { type RunSummary, toNumber } from "../../data/types";
import { nameParts } from "../runs/features";
import { folderOf } from "../runs/groups";

/** What outcomes are told by: the same for all runs. */
export type Measure = "best_validation" | "loss";

/** From so many runs on there is something to tell. */
export const LEAST = 3;

/** From bad to good. */
export const LEVELS = ["bad", "doubtful", "unknown", "good"] as const;
export type Level = (typeof LEVELS)[number];

export interface Told {
  run: RunSummary;
  level: Level;
  /** NaN and infinity as they are; null where it is not known. */
  outcome: number | null;
  /** 0 for the best of all runs. */
  rank: number;
}

export interface Value {
  /** As it was recorded, or the ends of a range of numbers. */
  words: string;
  runs: Told[];
}

export interface Factor {
  /** Of a setting, or of two that tell more together; "" is the folder. */
  names: string[];
  /** Settings that tell the same runs apart. */
  also: string[];
  values: Value[];
  /** Share of the order of outcomes that goes with it, beyond chance; null where runs are too few to say. */
  explains: number | null;
}

export function measureOf(runs: readonly RunSummary[]): Measure {
  const validated = runs.filter(({ best_validation }) => best_validation !== null);
  return 2 * validated.length >= runs.length ? "best_validation" : "loss";
}

const STATES: Partial<Record<RunSummary["status"], Level>> = {
  broken: "bad",
  warning: "doubtful",
  "too early": "unknown",
  "too little recorded": "unknown",
};

/** The runs that have an outcome, ranked: how they are, then the lower loss. Equals share a rank. */
export function ranked(runs: readonly RunSummary[], measure: Measure): Told[] {
  const told = runs
    .filter(({ status, problem }) => status !== "reading" && problem === null)
    .map((run) => ({ run, level: STATES[run.status] ?? "good", outcome: toNumber(run[measure]), rank: 0 }));
  const place = ({ level, outcome }: Told): [number, number] => [
    -LEVELS.indexOf(level),
    outcome !== null && Number.isFinite(outcome) ? outcome : Number.MAX_VALUE,
  ];
  const order = (a: Told, b: Told) => place(a)[0] - place(b)[0] || place(a)[1] - place(b)[1];
  told.sort(order);
  for (let from = 0; from < told.length; ) {
    let to = from;
    while (to < told.length && order(told[from] as Told, told[to] as Told) === 0) to++;
    for (const each of told.slice(from, to)) each.rank = (from + to - 1) / 2;
    from = to;
  }
  return told;
}

/** Where a schedule begins and ends goes with its highest value; a folder is a part of the name. */
const TELLS_NOTHING = /, (first|last)$/;

function settingsOf(run: RunSummary): Map<string, string> {
  const parts = nameParts(run.run).filter((part) => part.includes("="));
  const named = parts.map((part): [string, string] => [
    part.slice(0, part.indexOf("=")),
    part.slice(part.indexOf("=") + 1),
  ]);
  const recorded = Object.entries(run.settings).filter(([name]) => !TELLS_NOTHING.test(name));
  return new Map([["", folderOf(run.run)], ...recorded, ...named]);
}

/** More values than these are told in ranges, if they are numbers. */
const SINGLE = 8;
const RANGES = 5;

/** Values in their order; numbers by size. */
function inOrder(values: Iterable<string>): { words: string[]; numbers: boolean } {
  const words = [...values];
  const numbers = words.every((word) => word !== "" && Number.isFinite(Number(word)));
  words.sort((a, b) => (numbers ? Number(a) - Number(b) : a.localeCompare(b, undefined, { numeric: true })));
  return { words, numbers };
}

/** What so small a share of the runs has tells one run's story. */
const RARE = 0.1;

/** A number for each value, and what is said for each number; null for names of which each run has its own. */
function grouping(own: readonly string[]): { at: Map<string, number>; words: string[] } | null {
  const known = own.filter((word) => word !== "");
  if (new Set(own).size < 2 || known.length < RARE * own.length) return null;
  const { words, numbers } = inOrder(new Set(known));
  const rest = own.includes("") ? [""] : [];
  if (words.length <= SINGLE) {
    const all = [...words, ...rest];
    return { at: new Map(all.map((word, at) => [word, at])), words: all };
  }
  if (!numbers) return null;
  const sizes = Array.from({ length: RANGES }, (_, at) => Math.round((at * words.length) / RANGES));
  const at = new Map(words.map((word, place) => [word, sizes.filter((from) => from <= place).length - 1]));
  const said = sizes.map(
    (from, place) => `${words[from]} – ${words[(sizes[place + 1] ?? words.length) - 1]}`,
  );
  for (const word of rest) at.set(word, RANGES);
  return { at, words: [...said, ...rest] };
}

/** So few runs say nothing of what goes with what. */
const FEW = 6;

/** Epsilon squared of the ranks: variance between the values over all variance, less what chance gives as many values. */
function explained(values: readonly Value[]): number | null {
  const all = values.flatMap(({ runs }) => runs.map(({ rank }) => rank));
  const free = all.length - values.length;
  if (all.length < FEW || free < 1) return null;
  const mean = (ranks: readonly number[]) => ranks.reduce((sum, rank) => sum + rank, 0) / ranks.length;
  const spread = (ranks: readonly number[], around: number) =>
    ranks.reduce((sum, rank) => sum + (rank - around) ** 2, 0);
  const total = spread(all, mean(all));
  const within = values
    .map(({ runs }) => runs.map(({ rank }) => rank))
    .reduce((sum, ranks) => sum + spread(ranks, mean(ranks)), 0);
  return total > 0 ? Math.max(0, 1 - (within / free) * ((all.length - 1) / total)) : 0;
}

/** The same value, however it was written: 10 and 10.0. */
function same(a: string, b: string | undefined): boolean {
  return a === b || (a !== "" && b !== "" && Number(a) === Number(b));
}

/** Two settings together, by the values that runs have of both. */
function together(a: Factor, b: Factor): Factor {
  const values = a.values.flatMap((first) =>
    b.values.map((second) => ({
      words: `${first.words || "–"} · ${second.words || "–"}`,
      runs: first.runs.filter((each) => second.runs.includes(each)),
    })),
  );
  const there = values.filter(({ runs }) => runs.length > 0);
  return { names: [...a.names, ...b.names], also: [], values: there, explains: explained(there) };
}

/** Pairs are made of the settings that tell most; one is told where it tells so much more than each of its two alone. */
const [PAIRED, MORE] = [5, 0.1];

function bestPair(single: readonly Factor[]): Factor[] {
  const first = single.slice(0, PAIRED);
  const most = single[0]?.explains ?? 0;
  const pairs = first.flatMap((a, at) => first.slice(at + 1).map((b) => together(a, b)));
  const told = pairs.filter(({ explains }) => (explains ?? 0) > most + MORE);
  return told.sort((a, b) => (b.explains ?? 0) - (a.explains ?? 0)).slice(0, 1);
}

/** Every setting in which the runs differ, the one that tells most first; of settings that tell the same runs apart one stands for all. */
export function factorsOf(told: readonly Told[]): Factor[] {
  const settings = told.map(({ run }) => settingsOf(run));
  const names = new Set(settings.flatMap((own) => [...own.keys()]));
  const found = new Map<string, { factor: Factor; own: string[] }>();
  for (const name of [...names].reverse()) {
    const own = settings.map((all) => all.get(name) ?? "");
    const groups = grouping(own);
    if (!groups) continue;
    const places = own.map((word) => groups.at.get(word) ?? 0);
    // Which runs are together, whatever the values are called.
    const parts = places.map((place) => places.indexOf(place)).join();
    const known = found.get(parts);
    if (known) {
      if (!own.every((word, at) => same(word, known.own[at]))) known.factor.also.push(name);
      continue;
    }
    const values = groups.words.map((words, at) => ({
      words,
      runs: told.filter((_, run) => places[run] === at),
    }));
    found.set(parts, { factor: { names: [name], also: [], values, explains: explained(values) }, own });
  }
  const all = [...found.values()].map(({ factor }) => factor);
  const single = all.sort((a, b) => (b.explains ?? -1) - (a.explains ?? -1));
  return [...bestPair(single), ...single];
}

/** The runs with the lowest outcome first; those of whom none is known are left out. */
export function byOutcome(runs: readonly Told[]): (Told & { outcome: number })[] {
  const known = runs.filter((each): each is Told & { outcome: number } =>
    Number.isFinite(each.outcome ?? Number.NaN),
  );
  return known.sort((a, b) => a.outcome - b.outcome);
}

/** The best of some runs: of those that broke only where all did. */
export function bestOutcome(runs: readonly Told[]): (Told & { outcome: number }) | undefined {
  const known = byOutcome(runs);
  return known.find(({ level }) => level !== "bad") ?? known[0];
}

/** Where outcomes stand between the least (0) and the largest (1), on a logarithmic scale where they span much. */
export interface Scale {
  least: number;
  most: number;
  log: boolean;
  at: (outcome: number) => number;
}

/** From this ratio on small outcomes would be one point. */
const WIDE = 20;

export function scaleOf(told: readonly Told[]): Scale | null {
  const known = byOutcome(told);
  const [least, most] = [known[0]?.outcome, known.at(-1)?.outcome];
  if (least === undefined || most === undefined) return null;
  const log = least > 0 && most / least > WIDE;
  const place = log ? Math.log : (value: number) => value;
  const span = place(most) - place(least);
  return { least, most, log, at: (outcome) => (span > 0 ? (place(outcome) - place(least)) / span : 0.5) };
}
