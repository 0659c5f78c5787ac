/** Which rows the heat map shows, from top to bottom: layers, or modules folded into one row. */
import { Flag, type Matrix } from "../data/table";
import type { Columns } from "./grid";

export const ORDERS = ["model", "worst", "norm"] as const;
export type Order = (typeof ORDERS)[number];

export interface Row {
  name: string;
  /** Columns of the matrix behind the row: several for a folded module. */
  columns: Columns;
}

export interface Arrangement {
  filter: string;
  order: Order;
  /** Parts of a name that make a module; 0 folds nothing. */
  depth: number;
  /** Modules that are shown layer by layer all the same. */
  unfolded: ReadonlySet<string>;
}

/** The module of a layer: the first parts of its name, without the parameter's own. */
export function moduleOf(name: string, depth: number): string {
  const parts = name.split(".");
  return parts.slice(0, Math.min(depth, Math.max(1, parts.length - 1))).join(".");
}

/** With more rows than this a map is folded. */
const MANY = 40;
/** Fewer rows than this are no picture of so many layers, more than that are no rows any more. */
const FEW = 8;
const TOO_MANY = 160;
const DEEPEST = 8;

/** The finest folding that leaves rows to be told apart, finer where it would leave next to none; none where there are few. */
export function automaticDepth(names: readonly string[]): number {
  if (names.length <= MANY) return 0;
  const rowsAt = (depth: number) => new Set(names.map((name) => moduleOf(name, depth))).size;
  let depth = DEEPEST;
  while (depth > 1 && rowsAt(depth) > MANY) depth--;
  return rowsAt(depth) < FEW && rowsAt(depth + 1) <= TOO_MANY ? depth + 1 : depth;
}

/** A layer's worst value: not a number beats every number. */
function worstOf(matrix: Matrix, column: number): number {
  let worst = 0;
  const from = column * matrix.buckets;
  for (let at = from; at < from + matrix.buckets; at++) {
    const flags = matrix.flags[at] ?? 0;
    if (flags & (Flag.nan | Flag.plusInf | Flag.minusInf)) return Number.POSITIVE_INFINITY;
    if ((matrix.max[at] ?? 0) > worst) worst = matrix.max[at] ?? 0;
  }
  return worst;
}

/** A layer is filtered by words: every one must be in its name. */
export function matches(name: string, filter: string): boolean {
  const lower = name.toLowerCase();
  return filter
    .toLowerCase()
    .split(/\s+/)
    .every((word) => lower.includes(word));
}

function folded(rows: Row[], { depth, unfolded }: Arrangement): Row[] {
  if (depth === 0) return rows;
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const module = moduleOf(row.name, depth);
    const key = unfolded.has(module) ? row.name : module;
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  return [...groups].map(([name, members]) => {
    const columns = members.flatMap((row) => row.columns);
    return members.length === 1 ? (members[0] as Row) : { name, columns };
  });
}

export function rowsOf(matrix: Matrix, arrangement: Arrangement): Row[] {
  const layers = matrix.columns
    .map((name, column): Row => ({ name, columns: [column] }))
    .filter(({ name }) => matches(name, arrangement.filter));
  const rows = folded(layers, arrangement);
  if (arrangement.order === "model") return rows;
  const size = (column: number) =>
    arrangement.order === "worst" ? worstOf(matrix, column) : (matrix.median[column] ?? 0) || 0;
  const sizes = new Map(rows.map((row) => [row.name, Math.max(...row.columns.map(size))]));
  // Equal rows (Infinity minus itself is NaN) keep the model's order: sort is stable.
  const of = (row: Row) => sizes.get(row.name) ?? 0;
  return [...rows].sort((a, b) => (of(a) === of(b) ? 0 : of(b) - of(a)));
}
