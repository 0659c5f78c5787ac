/** Several tables of one run at once; only those that were recorded are asked for, and only what is in view. */

import type { Alignment } from "./align";
import { getMatrix, getTable, type Part } from "./client";
import { type Resource, useResource } from "./resource";
import type { Matrix, Table } from "./table";
import type { RunSummary } from "./types";
import { type Range, useAxis, useSettledZoom } from "./zoom";

export type Tables = ReadonlyMap<string, Table>;

/** So long a zoom must rest before data are asked for. */
const DATA_MS = 250;
/** Data on both sides of the view are asked for as well, so that a small move needs no new ones. */
const MARGIN = 0.5;

export function widened(zoom: Range | null): Range | null {
  if (!zoom) return null;
  const more = (zoom[1] - zoom[0]) * MARGIN;
  return [zoom[0] - more, zoom[1] + more];
}

async function load(run: string, quantities: string[], part: Part, signal: AbortSignal): Promise<Tables> {
  const tables = await Promise.all(quantities.map((quantity) => getTable(run, quantity, signal, part)));
  return new Map(quantities.map((quantity, index) => [quantity, tables[index] as Table]));
}

/** The tables in the range in view. While another range is on its way the old one stays. */
export function useTables(run: RunSummary, wanted: readonly string[], points?: number): Resource<Tables> {
  const zoom = useSettledZoom(DATA_MS);
  const quantities = wanted.filter((quantity) => run.quantities.includes(quantity));
  const about = JSON.stringify([run.run, quantities, points]);
  const part: Part = { range: widened(zoom), ...(points ? { points } : {}) };
  return useResource(about, `${run.data_version} ${zoom ?? ""}`, (signal) =>
    load(run.run, quantities, part, signal),
  );
}

/** A matrix of the whole run. */
export function useMatrix(run: RunSummary, quantity: string): Resource<Matrix> {
  const about = run.quantities.includes(quantity) ? JSON.stringify([run.run, quantity]) : null;
  return useResource(about, run.data_version, (signal) => getMatrix(run.run, quantity, signal));
}

/** The same in the range in view, once one was chosen: finer than the whole. */
export function useMatrixInView(run: RunSummary, quantity: string, fine: boolean): Resource<Matrix> {
  const zoom = useSettledZoom(DATA_MS);
  const about = zoom && !fine ? JSON.stringify([run.run, quantity]) : null;
  const part = { range: widened(zoom) };
  return useResource(about, `${run.data_version} ${zoom ?? ""}`, (signal) =>
    getMatrix(run.run, quantity, signal, part),
  );
}

/** One column of a quantity in the range in view; null where the quantity has no such column. */
export function useColumn(run: RunSummary, quantity: string, name: string): Resource<Table | null> {
  const zoom = useSettledZoom(DATA_MS);
  const names = useResource(JSON.stringify([run.run, quantity, "names"]), run.data_version, (signal) =>
    getTable(run.run, quantity, signal, { points: 1 }),
  );
  const index = names.value?.columns.indexOf(name) ?? -1;
  const known = names.value !== undefined;
  const about = known ? JSON.stringify([run.run, quantity, name]) : null;
  const part: Part = { range: widened(zoom), columns: [index] };
  const column = useResource(about, `${run.data_version} ${zoom ?? ""}`, (signal) =>
    index < 0 ? Promise.resolve(null) : getTable(run.run, quantity, signal, part),
  );
  return known ? column : { ...column, loading: names.loading, error: names.error, retry: names.retry };
}

async function loadColumn(run: string, quantity: string, name: string, part: Part, signal: AbortSignal) {
  if (name === "") return getTable(run, quantity, signal, part);
  const { columns } = await getTable(run, quantity, signal, { points: 1 });
  const index = columns.indexOf(name);
  return index < 0 ? null : getTable(run, quantity, signal, { ...part, columns: [index] });
}

/** One column of several quantities in the range in view, of those that have it; "" is the whole of what has one column. */
export function useColumns(
  run: RunSummary,
  wanted: readonly string[],
  name: string,
): Resource<ReadonlyMap<string, Table | null>> {
  const zoom = useSettledZoom(DATA_MS);
  const quantities = wanted.filter((quantity) => run.quantities.includes(quantity));
  const about = JSON.stringify([run.run, quantities, name]);
  const part: Part = { range: widened(zoom) };
  return useResource(about, `${run.data_version} ${zoom ?? ""}`, async (signal) => {
    const tables = await Promise.all(quantities.map((each) => loadColumn(run.run, each, name, part, signal)));
    return new Map(quantities.map((quantity, at) => [quantity, tables[at] ?? null]));
  });
}

/** Runs, and which of them have the quantity: of a run that is still being read nothing is known yet. */
function holders(runs: readonly RunSummary[], quantity: string): [string, boolean][] {
  return runs.map(({ run, quantities }) => [run, quantities.includes(quantity)]);
}

/** The same quantity of several runs, null for those that did not record it. */
export function useAcross(
  runs: readonly RunSummary[],
  quantity: string,
  { axis, warps }: Alignment,
): Resource<(Table | null)[]> {
  const settled = useSettledZoom(DATA_MS);
  // A range of another axis is about to be replaced.
  const zoom = useAxis() === axis ? settled : null;
  const versions = runs.map(({ data_version }) => data_version).join();
  const about = JSON.stringify([quantity, axis, holders(runs, quantity)]);
  const rangeOf = (at: number): Range | null => {
    const [range, back] = [widened(zoom), warps?.[at]?.back];
    return range && back ? [back(range[0]), back(range[1])] : range;
  };
  return useResource(about, `${versions} ${zoom ?? ""}`, (signal) =>
    Promise.all(
      runs.map((run, at) =>
        run.quantities.includes(quantity)
          ? getTable(run.run, quantity, signal, { range: rangeOf(at) })
          : Promise.resolve(null),
      ),
    ),
  );
}

/** As many points as the server gives: what lies between two of them is not known better. */
const CLOCK_POINTS = 10_000;

/** The runs' tables of their places on an axis, if one is wanted. */
export function useClocks(runs: readonly RunSummary[], quantity: string | null): Resource<Table[]> {
  const versions = runs.map(({ data_version }) => data_version).join();
  const about = quantity ? JSON.stringify(["clocks", quantity, runs.map(({ run }) => run)]) : null;
  return useResource(about, versions, (signal) =>
    Promise.all(runs.map((run) => getTable(run.run, quantity ?? "", signal, { points: CLOCK_POINTS }))),
  );
}

/** The matrices of several runs. */
export function useMatrices(runs: readonly RunSummary[], quantity: string): Resource<(Matrix | null)[]> {
  const versions = runs.map(({ data_version }) => data_version).join();
  const about = JSON.stringify(["matrix", quantity, holders(runs, quantity)]);
  return useResource(about, versions, (signal) =>
    Promise.all(
      runs.map((run) =>
        run.quantities.includes(quantity) ? getMatrix(run.run, quantity, signal) : Promise.resolve(null),
      ),
    ),
  );
}
