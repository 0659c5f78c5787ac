/** Which layers the heat map shows, from top to bottom. */
import { Flag, type Table } from "../data/table";

export type Order = "model" | "worst";

/** A layer's worst value: not a number beats every number. */
function worstOf(table: Table, column: number): number {
  let worst = 0;
  const from = column * table.buckets;
  for (let at = from; at < from + table.buckets; at++) {
    const flags = table.flags[at] ?? 0;
    if (flags & (Flag.nan | Flag.plusInf | Flag.minusInf)) return Number.POSITIVE_INFINITY;
    if ((table.max[at] ?? 0) > worst) worst = table.max[at] ?? 0;
  }
  return worst;
}

export function rowsOf(table: Table, filter: string, order: Order): number[] {
  const wanted = filter.trim().toLowerCase();
  const rows = table.columns
    .map((_, column) => column)
    .filter((column) => {
      return (table.columns[column] ?? "").toLowerCase().includes(wanted);
    });
  if (order === "model") return rows;
  const worst = new Map(rows.map((column) => [column, worstOf(table, column)]));
  // Equal layers (Infinity minus itself is NaN) keep the model's order: sort is stable.
  return rows.sort((a, b) => (worst.get(b) === worst.get(a) ? 0 : (worst.get(b) ?? 0) - (worst.get(a) ?? 0)));
}
