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

/** A threshold this many times away from what it was held against is of another kind than the curve. */
const FAR = 1000;

/** Whether a number and its threshold are values of the curve: a ratio of two curves may lie among them by chance. */
function isComparable(entry: Evidence, line: Line | undefined): boolean {
  const [observed, threshold] = [toNumber(entry.observed), toNumber(entry.threshold)];
  if (observed === null || !isOnCurve(observed, line, entry)) return false;
  if (threshold === null || observed === 0 || threshold === 0) return true;
  const times = Math.abs(threshold / observed);
  return times <= FAR && times >= 1 / FAR;
}

/** The point of a curve at which a rule decided, where the number it decided on is one of the curve's own. */
export function decidingPoints(entries: Evidence[], lines: Line[], lang: string): LineSpec["deciding"] {
  return entries.slice(0, MOST_LINES).flatMap((entry) => {
    const observed = toNumber(entry.observed);
    const line = lines.find(({ name }) => name === entry.column) ?? lines[0];
    if (observed === null || !Number.isFinite(observed) || !line || !isComparable(entry, line)) return [];
    const near = line.points.find(
      ([step, value]) =>
        value !== null &&
        step >= entry.first_step &&
        step <= entry.last_step &&
        Math.abs(value - observed) <= NEAR * Math.abs(observed),
    );
    return near ? [{ step: near[0], value: near[1] ?? observed, label: formatValue(observed, lang) }] : [];
  });
}

/** What a rule decided on is one of the curve's values up to this share: the page has them in single precision. */
const NEAR = 1e-3;

/** Whether what was decided on is derived from the curve, a ratio or a share of it, and so is not on its axis. */
export function isDerived(entry: Evidence, lines: Line[]): boolean {
  const observed = toNumber(entry.observed);
  const line = lines.find(({ name }) => name === entry.column) ?? lines[0];
  return observed !== null && Number.isFinite(observed) && line !== undefined && !isComparable(entry, line);
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
    if (isComparable(entry, line)) values.add(threshold);
  }
  return [...values].map((value) => ({
    value,
    label: t("chart.threshold", { value: formatValue(value, lang) }),
  }));
}
