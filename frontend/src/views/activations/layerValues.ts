/** The newest values of layers, and in which order layers are shown. */
import { type Column, columnAt, Flag, type Table } from "../../data/table";
import type { Tables } from "../../data/tables";
import type { Sorting } from "../../parts/SortHead";

/** The newest value of a column that is one; NaN and Inf stay what they are. */
export function newest(column: Column): number | null {
  const bad = Flag.nan | Flag.plusInf | Flag.minusInf;
  for (let bucket = column.flags.length - 1; bucket >= 0; bucket--) {
    const flags = column.flags[bucket] ?? Flag.absent;
    if (flags & bad) return flags & Flag.nan ? NaN : Number.POSITIVE_INFINITY;
    if ((flags & Flag.absent) === 0) return column.last[bucket] ?? null;
  }
  return null;
}

export interface LayerEntry {
  name: string;
  order: number;
  columns: Map<string, Column>;
  values: Map<string, number | null>;
}

/** One entry per layer that any of the tables has, in the model's order. */
export function layersOf(tables: Tables, quantities: readonly string[]): LayerEntry[] {
  const entries = new Map<string, LayerEntry>();
  for (const quantity of quantities) {
    const table = tables.get(quantity);
    table?.columns.forEach((name, index) => {
      const known = entries.get(name);
      const entry = known ?? { name, order: entries.size, columns: new Map(), values: new Map() };
      const column = columnAt(table as Table, index);
      entry.columns.set(quantity, column);
      entry.values.set(quantity, newest(column));
      entries.set(name, entry);
    });
  }
  return [...entries.values()];
}

/** Not a number is worse than everything, nothing recorded comes last. */
export function sorted(
  entries: LayerEntry[],
  { by, down }: Sorting,
  suspicion: (entry: LayerEntry) => number = () => 0,
): LayerEntry[] {
  const weight = (entry: LayerEntry) => {
    if (by === "layer") return entry.order;
    if (by === "worst") return suspicion(entry);
    const value = entry.values.get(by);
    if (value === null || value === undefined) return null;
    return Number.isNaN(value) ? Number.POSITIVE_INFINITY : value;
  };
  return [...entries].sort((a, b) => {
    const [left, right] = [weight(a), weight(b)];
    if (left === null || right === null) return left === right ? 0 : left === null ? 1 : -1;
    if (left === right) return a.order - b.order;
    return (left - right) * (down ? -1 : 1);
  });
}

/** The smallest and the largest finite value of a quantity over all layers: what their curves share as a scale. */
export function rangeOf(entries: readonly LayerEntry[], quantity: string): [number, number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const { columns } of entries) {
    for (const value of columns.get(quantity)?.last ?? []) {
      if (!Number.isFinite(value)) continue;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  return [low, high];
}
