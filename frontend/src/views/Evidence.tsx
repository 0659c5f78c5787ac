/** The curves a finding was decided from, with its steps shaded and its threshold drawn in. */
import { useMemo } from "preact/hooks";
import { type Line, lineOf } from "../charts/series";
import type { LineSpec } from "../charts/spec";
import { marksOf } from "../data/findings";
import { columnAt, columnNamed, type Table } from "../data/table";
import { type Tables, useTables } from "../data/tables";
import { type Evidence, type Finding, type RunSummary, toNumber } from "../data/types";
import type { Theme } from "../host/theme";
import { type T, useText } from "../i18n";
import { Folded } from "../parts/Folded";
import { LinePlot } from "../parts/LinePlot";
import { Loaded, Note } from "../parts/States";
import { formatValue } from "../text/numbers";

/** Lines in one chart: more cannot be told apart. */
const MOST_LINES = 6;

interface Props {
  finding: Finding;
  run: RunSummary;
  theme: Theme;
}

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

/** True where the deciding number is a value of the curve itself, so that its threshold can be drawn as a line. */
function isOnCurve(observed: number, lines: Line[]): boolean {
  const values = lines.flatMap((line) => [
    ...line.points.map(([, value]) => value ?? NaN),
    ...line.band.flatMap(([, low, high]) => [low, high]),
  ]);
  const finite = values.filter(Number.isFinite);
  const slack = Math.abs(observed) * 0.01;
  return (
    finite.some((value) => value >= observed - slack) && finite.some((value) => value <= observed + slack)
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
    if (isOnCurve(observed, lines)) values.add(threshold);
  }
  return [...values].map((value) => ({
    value,
    label: t("chart.threshold", { value: formatValue(value, lang) }),
  }));
}

function sentence(entry: Evidence, t: T, lang: string): string | null {
  const observed = toNumber(entry.observed);
  const threshold = toNumber(entry.threshold);
  if (observed === null) return null;
  const values = { observed: formatValue(observed, lang), threshold: formatValue(threshold, lang) };
  return t(threshold === null ? "findings.observedOnly" : "findings.observed", values);
}

function Readings({ entries }: { entries: Evidence[] }) {
  const { t, lang } = useText();
  return (
    <ul class="readings">
      {entries.map((entry) => {
        const text = sentence(entry, t, lang);
        if (text === null) return null;
        return (
          <li key={`${entry.column}${entry.first_step}`}>
            <code>{entry.column || entry.quantity}</code> {text}
          </li>
        );
      })}
    </ul>
  );
}

function Plot({ finding, theme, table, entries }: Props & { table: Table; entries: Evidence[] }) {
  const { t, lang } = useText();
  const lines = useMemo(() => evidenceLines(table, entries), [table, entries]);
  const marks = useMemo(() => marksOf([finding]), [finding]);
  const thresholds = useMemo(() => thresholdLines(entries, lines, t, lang), [entries, lines, lang]);
  if (lines.length === 0) return null;
  return (
    <LinePlot
      lines={lines}
      marks={marks}
      thresholds={thresholds}
      theme={theme}
      label={table.quantity.replaceAll("_", " ")}
      height={180}
      records={table.records}
    />
  );
}

function Group({ quantity, entries, tables, ...props }: Props & GroupProps) {
  const { t } = useText();
  const table = tables.get(quantity);
  return (
    <>
      {table ? (
        <Plot {...props} table={table} entries={entries} />
      ) : (
        <Note>{t("missing.quantity", { quantity })}</Note>
      )}
      <Readings entries={entries} />
    </>
  );
}

interface GroupProps {
  quantity: string;
  entries: Evidence[];
  tables: Tables;
}

/** The first curve is shown; further ones are folded, so that the fix stays on the first screen. */
export function EvidenceCharts(props: Props) {
  const { t } = useText();
  const groups = useMemo(() => groupEvidence(props.finding.evidence), [props.finding]);
  const tables = useTables(
    props.run,
    groups.map(([quantity]) => quantity),
  );
  if (groups.length === 0) return null;
  return (
    <section>
      <h3>{t("findings.evidence")}</h3>
      <div>
        <Loaded resource={tables} what={t("findings.evidence")}>
          {(loaded) =>
            groups.map(([quantity, entries], index) => {
              const group = (
                <Group key={quantity} {...props} quantity={quantity} entries={entries} tables={loaded} />
              );
              return index === 0 ? group : <Folded title={quantity.replaceAll("_", " ")}>{group}</Folded>;
            })
          }
        </Loaded>
      </div>
    </section>
  );
}
