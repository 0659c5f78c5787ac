/** Fetching from the plugin's own routes; every address is relative so that path prefixes keep working. */
import { decodeMatrix, decodeTable, type Matrix, type Table } from "./table";
import type { Comparison, Diagnosis, PackedRuns, Rules, RunDiagnosis, Runs } from "./types";

export const POINTS = 1200;

/** A route that could not be read, with what a person needs to report it. */
export class RouteError extends Error {
  constructor(
    readonly route: string,
    readonly status: number,
    detail: string,
  ) {
    super(detail);
  }
}

async function get(route: string, query: Record<string, string>, signal: AbortSignal): Promise<Response> {
  const search = new URLSearchParams(query).toString();
  const answer = await fetch(search ? `${route}?${search}` : route, { signal });
  if (!answer.ok) throw new RouteError(route, answer.status, (await answer.text()).slice(0, 500));
  return answer;
}

/** The list of runs; null while the version `have` is the newest. `first` is the run to judge before all others. */
export async function getRuns(
  lang: string,
  have: string,
  first: string | undefined,
  signal: AbortSignal,
): Promise<Runs | null> {
  const query = { lang, ...(have ? { have } : {}), ...(first ? { run: first } : {}) };
  const answer = await get("runs", query, signal);
  return answer.status === 204 ? null : unpacked(await answer.json());
}

/** Rows with their lists of quantities, which many of them share. */
export function unpacked({ recorded, runs, ...rest }: PackedRuns): Runs {
  return { ...rest, runs: runs.map((row) => ({ ...row, quantities: recorded[row.quantities] ?? [] })) };
}

export async function getDiagnosis(run: string, lang: string, signal: AbortSignal): Promise<RunDiagnosis> {
  const answer: Diagnosis = await (await get("diagnosis", { run, lang }, signal)).json();
  const found = answer.runs.find((candidate) => candidate.run === run) ?? answer.runs[0];
  if (!found) throw new RouteError("diagnosis", 200, `no diagnosis of ${run}`);
  return found;
}

/** The runs as TensorBoard itself lists them. */
export async function getListed(signal: AbortSignal): Promise<string[]> {
  return (await get("../../runs", {}, signal)).json();
}

/** Two runs side by side, as the server compares them. */
export async function getComparison(
  a: string,
  b: string,
  lang: string,
  signal: AbortSignal,
): Promise<Comparison> {
  return (await get("compare", { a, b, lang }, signal)).json();
}

export async function getRules(lang: string, signal: AbortSignal): Promise<Rules> {
  return (await get("rules", { lang }, signal)).json();
}

/** What of a table is asked for: everything in `POINTS` buckets, or a range of steps, or some columns. */
export interface Part {
  range?: readonly [number, number] | null;
  columns?: readonly number[];
  points?: number;
}

function queryOf(run: string, quantity: string, { range, columns, points = POINTS }: Part) {
  return {
    run,
    quantity,
    points: String(points),
    ...(range ? { first: String(Math.floor(range[0])), last: String(Math.ceil(range[1])) } : {}),
    ...(columns ? { columns: columns.join(",") } : {}),
  };
}

export async function getTable(
  run: string,
  quantity: string,
  signal: AbortSignal,
  part: Part = {},
): Promise<Table> {
  return decodeTable(await (await get("table", queryOf(run, quantity, part), signal)).arrayBuffer());
}

export async function getMatrix(
  run: string,
  quantity: string,
  signal: AbortSignal,
  part: Part = {},
): Promise<Matrix> {
  const query = { ...queryOf(run, quantity, part), planes: "matrix" };
  return decodeMatrix(await (await get("table", query, signal)).arrayBuffer());
}

/** By the endings of their files, as in `report/formats.py`. */
export const REPORT_FORMATS = ["md", "json", "csv", "sarif", "html"] as const;
export type ReportFormat = (typeof REPORT_FORMATS)[number];

/** Address of a report, of one run or of all. */
export function reportLink(run: string | undefined, format: ReportFormat, lang: string): string {
  return `report?${new URLSearchParams({ ...(run ? { run } : {}), format, lang })}`;
}

/** Address of a rule's page in the manual that is in the package. */
export function manualLink(code: string, lang: string): string {
  return `manual?${new URLSearchParams({ page: code, lang })}`;
}

export async function getReport(
  run: string | undefined,
  format: ReportFormat,
  lang: string,
  signal: AbortSignal,
): Promise<string> {
  return (await get("report", { ...(run ? { run } : {}), format, lang }, signal)).text();
}
