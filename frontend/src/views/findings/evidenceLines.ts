/** Which curves, and which threshold lines, show the evidence of a finding. */
import { type Line, lineOf } from "../../charts/series";
import type { LineSpec } from "../../charts/spec";
import { columnAt, columnNamed, type Table } from "../../data/table";
import { type Evidence, toNumber } from "../../data/types";
import type { T } from "../../i18n";
import { formatValue } from "../../text/numbers";

/** Lines in one chart: more cannot be told apart. */
const MOST_LINES = 6;

/** Evidence of one quantity goes into one chart. */
export function groupEvidence(evidence: Evidence[]): [string, Evidence[]][] {
  const groups = new Map<string, Evidence[]>();
  for (const entry of evidence) groups.set(entry.quantity, [...(groups.get(entry.quantity) ?? []), entry]);
  return [...groups];
}

/** The named columns, or the first one where evidence is about a quantity as a whole. */
export function evidenceLines(table: Table, entries: Evidence[]): Line[] {
  const lines = new Map<string, Line>();
  for (const { column } of entries) {
    const found = columnNamed(table, column) ?? (column === "" ? columnAt(table, 0) : undefined);
    if (found && lines.size < MOST_LINES) {
      const name = found.name || table.quantity;
      lines.set(name, lineOf(name, found));
    }
  }
  return [...lines.values()];
}

/** True where the deciding number lies among the curve's own values in the window, so that both share an axis. */
function isOnCurve(observed: number, line: Line | undefined, { first_step, last_step }: Evidence): boolean {
  const values = [
    ...(line?.points ?? []).map(([step, value]): [number, number | null] => [step, value]),
    ...(line?.band ?? []).flatMap(([step, low, high]): [number, number][] => [
      [step, low],
      [step, high],
    ]),
  ].flatMap(([step, value]) => (value !== null && step >= first_step && step <= last_step ? [value] : []));
  return (
    values.some((value) => value >= observed * 0.999) && values.some((value) => value <= observed * 1.001)
  );
}

/** Thresholds worth a line, each value once. A ratio or a share that was decided on is told in words instead. */
export function thresholdLines(
  entries: Evidence[],
  lines: Line[],
  t: T,
  lang: string,
): LineSpec["thresholds"] {
  const values = new Set<number>();
  for (const entry of entries) {
    const observed = toNumber(entry.observed);
    const threshold = toNumber(entry.threshold);
    if (observed === null || threshold === null || !Number.isFinite(threshold)) continue;
    const line = lines.find(({ name }) => name === entry.column) ?? lines[0];
    if (isOnCurve(observed, line, entry)) values.add(threshold);
  }
  return [...values].map((value) => ({
    value,
    label: t("chart.threshold", { value: formatValue(value, lang) }),
  }));
}
