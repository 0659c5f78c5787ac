/** Several tables of one run at once; only those that were recorded are asked for. */
import { getTable } from "./client";
import { type Resource, useResource } from "./resource";
import type { Table } from "./table";
import type { RunSummary } from "./types";

export type Tables = ReadonlyMap<string, Table>;

async function load(run: string, quantities: string[], signal: AbortSignal): Promise<Tables> {
  const tables = await Promise.all(quantities.map((quantity) => getTable(run, quantity, signal)));
  return new Map(quantities.map((quantity, index) => [quantity, tables[index] as Table]));
}

export function useTables(run: RunSummary, wanted: readonly string[]): Resource<Tables> {
  const quantities = wanted.filter((quantity) => run.quantities.includes(quantity));
  const about = JSON.stringify([run.run, quantities]);
  return useResource(about, run.data_version, (signal) => load(run.run, quantities, signal));
}
