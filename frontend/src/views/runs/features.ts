/** What a run's name and records say was set, and which of that tells a group of runs from the others. */
import type { RunSummary } from "../../data/types";

/** Something that several runs have: "lr=10.0", "optimizer: adam". */
export type Feature = string;

/** What a group has in common: all of these together. */
export interface Trait {
  features: Feature[];
  /** Runs of the group that have it. */
  here: number;
  /** All runs that have it. */
  all: number;
}

const NUMBERED = /^([A-Za-z][A-Za-z.]*?)(\d[\d.e+-]*)$/;
/** "name=value", up to the next one: both may hold the same characters. */
const SETTING = /([A-Za-z][\w.-]*?=.*?)(?=[_-]+[A-Za-z]\w*=|$)/g;

/** The parts of a run's name that can be said of several runs: "lr=0.1", "adam", a folder. */
export function nameParts(name: string): Feature[] {
  const parts = name
    .split(/[/\\,;\s]+/)
    .flatMap((part) => (part.includes("=") ? (part.match(SETTING) ?? []) : part.split(/_+/)))
    .filter((part) => part !== "");
  return [...new Set(parts.map((part) => part.replace(NUMBERED, "$1=$2")))];
}

/** Names first: they are what its owner calls it. */
export function featuresOf({ run, settings }: RunSummary): Feature[] {
  return [...nameParts(run), ...Object.entries(settings).map(([name, value]) => `${name}: ${value}`)];
}

// --- sets of runs as bits ------------------------------------------------------------------------------------------

type Bits = Uint32Array;

const COUNTS = Uint8Array.from({ length: 65_536 }, (_, value) => {
  let [rest, count] = [value, 0];
  for (; rest > 0; rest &= rest - 1) count++;
  return count;
});

function countOf(bits: Bits): number {
  let count = 0;
  for (const word of bits) count += (COUNTS[word & 0xffff] ?? 0) + (COUNTS[word >>> 16] ?? 0);
  return count;
}

function both(a: Bits, b: Bits): Bits {
  return a.map((word, at) => word & (b[at] ?? 0));
}

function bitsOf(places: readonly number[], size: number): Bits {
  const bits = new Uint32Array(Math.ceil(size / 32));
  for (const place of places) bits[place >> 5] = (bits[place >> 5] ?? 0) | (1 << (place & 31));
  return bits;
}

interface Candidate {
  features: Feature[];
  /** Place in the names, for the order in which features are told. */
  order: number;
  runs: Bits;
}

const MOST_FEATURES = 120;

/** Which runs have each feature; those of one run or of all tell nothing, and of two that say the same the first is kept. */
function candidates(runs: readonly RunSummary[]): Candidate[] {
  const places = new Map<Feature, { order: number; own: number[] }>();
  runs.forEach((run, at) => {
    [...new Set(featuresOf(run))].forEach((feature, order) => {
      const known = places.get(feature);
      if (known) known.own.push(at);
      else places.set(feature, { order, own: [at] });
    });
  });
  const distinct = new Map<string, Candidate>();
  for (const [feature, { order, own }] of places) {
    if (own.length < 2 || own.length === runs.length) continue;
    const bits = bitsOf(own, runs.length);
    const key = bits.join();
    if (!distinct.has(key)) distinct.set(key, { features: [feature], order, runs: bits });
  }
  return [...distinct.values()].sort((a, b) => countOf(b.runs) - countOf(a.runs)).slice(0, MOST_FEATURES);
}

function pairs(single: readonly Candidate[]): Candidate[] {
  return single.flatMap((a, at) =>
    single.slice(at + 1).map((b) => ({
      features: a.order < b.order ? [...a.features, ...b.features] : [...b.features, ...a.features],
      order: Math.min(a.order, b.order),
      runs: both(a.runs, b.runs),
    })),
  );
}

const MOST_TRAITS = 3;
/** Runs that have it and are in the group: fewer would make it a rule with exceptions. */
const PURE = 0.8;
/** Share of the group that a trait must say something about. */
const WORTH = 0.15;
const LEAST = 3;

/** The largest part of what is left of the group that a candidate describes without describing others. */
function bestOf(options: readonly Candidate[], left: Bits, group: Bits, least: number): Trait | null {
  let best: Trait | null = null;
  let won = 0;
  for (const { features, runs } of options) {
    const gain = countOf(both(runs, left));
    if (gain <= won || gain < least) continue;
    const [here, all] = [countOf(both(runs, group)), countOf(runs)];
    if (here < PURE * all) continue;
    [best, won] = [{ features, here, all }, gain];
  }
  return best;
}

function without(left: Bits, options: readonly Candidate[], trait: Trait): Bits {
  const taken = options.find(({ features }) => features.join() === trait.features.join())?.runs ?? left;
  return left.map((word, at) => word & ~(taken[at] ?? 0));
}

/** All features of some runs once, so that several groups can be asked about. */
export class Features {
  private readonly single: Candidate[];
  private readonly double: Candidate[];
  private readonly places: Map<string, number>;

  constructor(private readonly runs: readonly RunSummary[]) {
    this.single = candidates(runs);
    this.double = pairs(this.single);
    this.places = new Map(runs.map(({ run }, at) => [run, at]));
  }

  /** What the runs of a group have that others have not: single features before pairs, the most telling first. */
  traits(members: readonly RunSummary[]): Trait[] {
    const places = members.flatMap(({ run }) => this.places.get(run) ?? []);
    if (places.length < LEAST || places.length === this.runs.length) return [];
    const group = bitsOf(places, this.runs.length);
    const least = Math.max(2, WORTH * places.length);
    const found: Trait[] = [];
    let left = group;
    while (found.length < MOST_TRAITS) {
      const one = bestOf(this.single, left, group, least);
      const trait = one ?? bestOf(this.double, left, group, least);
      if (!trait) break;
      found.push(trait);
      left = without(left, one ? this.single : this.double, trait);
    }
    return found;
  }
}

/** How many features two runs share. */
export function shared(a: RunSummary, b: RunSummary): number {
  const mine = new Set(featuresOf(a));
  return featuresOf(b).filter((feature) => mine.has(feature)).length;
}
