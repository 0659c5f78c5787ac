/** The names beside a heat map: every row's where rows are high enough, else those of the modules they belong to. */
import type { Severity } from "../data/types";
import { moduleOf, type Row } from "./rows";

/** Rows of at least so many pixels have their own name. */
export const LEAST_ROW = 10;
/** Lines of text need so many pixels. */
const LINE = 12;
const DEEPEST = 8;
const GLYPHS: Partial<Record<Severity, string>> = { error: "■", warning: "▲" };

/** A beginning that so many of the names share is said once, not in every row. */
const MOST = 0.7;

/** The parts that most names begin with, with their dot. */
export function prefixOf(rows: readonly Row[]): string {
  if (rows.length < 2) return "";
  let prefix = "";
  let before = "";
  for (let longer = nextPart(rows, prefix); longer !== ""; longer = nextPart(rows, prefix)) {
    [before, prefix] = [prefix, longer];
  }
  // A number alone is no name: "h.0" tells what "0" does not.
  const numbered = rows.some(
    ({ name }) => name.startsWith(prefix) && /^\d+(\.|$)/.test(name.slice(prefix.length)),
  );
  return numbered ? before : prefix;
}

/** The prefix with one more part, if most names have that one, too. */
function nextPart(rows: readonly Row[], prefix: string): string {
  const counts = new Map<string, number>();
  for (const { name } of rows) {
    const dot = name.startsWith(prefix) ? name.indexOf(".", prefix.length) : -1;
    if (dot >= 0) counts.set(name.slice(0, dot + 1), (counts.get(name.slice(0, dot + 1)) ?? 0) + 1);
  }
  const [found] = [...counts].filter(([, count]) => count >= MOST * rows.length);
  return found?.[0] ?? "";
}

function without(name: string, prefix: string): string {
  return prefix !== "" && name.startsWith(prefix) ? `…${name.slice(prefix.length)}` : name;
}

/** A folded module says that it is one, and of how many layers. */
export function titleOf({ name, columns: { length } }: Row, prefix = ""): string {
  const own = without(name, prefix);
  return length > 1 ? `▸ ${own} (${length})` : own;
}

/** Neighbours of the same module, as first row and name; a row alone in its module keeps its own name. */
function groupsOf(rows: readonly Row[], depth: number, prefix: string): [number, string][] {
  const modules = rows.map((row) => (row.columns.length > 1 ? "" : moduleOf(row.name, depth)));
  return rows.flatMap((row, at): [number, string][] => {
    const module = modules[at] ?? "";
    if (at > 0 && module !== "" && modules[at - 1] === module) return [];
    const name = without(module, prefix);
    return [[at, module !== "" && modules[at + 1] === module ? name : titleOf(row, prefix)]];
  });
}

/** The finest modules that hold more than two rows each on average, else each row for itself. */
function finestGroups(rows: readonly Row[], prefix: string): [number, string][] {
  for (let depth = DEEPEST; depth > 0; depth--) {
    const groups = groupsOf(rows, depth, prefix);
    if (groups.length * 2 < rows.length) return groups;
  }
  return rows.map((row, at) => [at, titleOf(row, prefix)]);
}

/** The worst that findings say of a row's layers; notes name examples, which marks nothing. */
function badgeOf({ columns, name }: Row, badges: ReadonlyMap<string, Severity>): Severity | undefined {
  const inside =
    columns.length > 1 ? [...badges.keys()].filter((layer) => layer.startsWith(`${name}.`)) : [name];
  const found = inside.map((layer) => badges.get(layer));
  return (["error", "warning"] as const).find((severity) => found.includes(severity));
}

export interface Labels {
  /** A name per row, "" for none. */
  rows: string[];
  badges: (Severity | undefined)[];
}

/** Rows that a finding is about, and the one that is open, have their names whatever the room. */
export function labelsOf(
  rows: readonly Row[],
  rowHeight: number,
  prefix = "",
  badges: ReadonlyMap<string, Severity> = new Map(),
  selected = -1,
): Labels {
  const marked = badges.size > 0 ? rows.map((row) => badgeOf(row, badges)) : rows.map(() => undefined);
  const title = (at: number, name: string) => {
    const badge = marked[at];
    return badge ? `${name} ${GLYPHS[badge]}` : name;
  };
  if (rowHeight >= LEAST_ROW) {
    return { rows: rows.map((row, at) => title(at, titleOf(row, prefix))), badges: marked };
  }
  const labels = new Array<string>(rows.length).fill("");
  const taken: number[] = [];
  const put = (at: number, name: string) => {
    if (taken.some((other) => Math.abs(other - at) * rowHeight < LINE)) return;
    labels[at] = title(at, name);
    taken.push(at);
  };
  rows.forEach((row, at) => {
    if (at === selected || marked[at] === "error" || marked[at] === "warning") put(at, titleOf(row, prefix));
  });
  for (const [at, name] of finestGroups(rows, prefix)) put(at, name);
  return { rows: labels, badges: marked };
}
