/** Fetching from the plugin's own routes; every address is relative so that path prefixes keep working. */
import { decodeTable, type Table } from "./table";
import type { Diagnosis, Rules, RunDiagnosis, Runs } from "./types";

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

export async function getRuns(lang: string, signal: AbortSignal): Promise<Runs> {
  return (await get("runs", { lang }, signal)).json();
}

export async function getDiagnosis(run: string, lang: string, signal: AbortSignal): Promise<RunDiagnosis> {
  const answer: Diagnosis = await (await get("diagnosis", { run, lang }, signal)).json();
  const found = answer.runs.find((candidate) => candidate.run === run) ?? answer.runs[0];
  if (!found) throw new RouteError("diagnosis", 200, `no diagnosis of ${run}`);
  return found;
}

export async function getRules(lang: string, signal: AbortSignal): Promise<Rules> {
  return (await get("rules", { lang }, signal)).json();
}

export async function getTable(run: string, quantity: string, signal: AbortSignal): Promise<Table> {
  const query = { run, quantity, points: String(POINTS) };
  return decodeTable(await (await get("table", query, signal)).arrayBuffer());
}
