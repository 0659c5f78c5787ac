/** The curves a finding was decided from, with its steps shaded and its threshold drawn in. */
import { useMemo } from "preact/hooks";
import { extentOf } from "../../data/extent";
import { marksOf } from "../../data/findings";
import type { Table } from "../../data/table";
import { type Tables, useTables } from "../../data/tables";
import { type Evidence, type Finding, type RunSummary, toNumber } from "../../data/types";
import type { Theme } from "../../host/theme";
import { type Key, type T, useText } from "../../i18n";
import { Folded } from "../../parts/Folded";
import { LinePlot } from "../../parts/LinePlot";
import { Loaded, Note } from "../../parts/States";
import { formatValue } from "../../text/numbers";
import { withUnit } from "../../text/units";
import { decidingPoints, evidenceLines, groupEvidence, isDerived, thresholdLines } from "./evidenceLines";

interface Props {
  finding: Finding;
  run: RunSummary;
  theme: Theme;
}

/** What a quantity is called, in the page's language where it has a name there. */
function nameOf(quantity: string, t: T): string {
  const key = `stat.${quantity}`;
  const name = t(key as Key);
  return name === key ? quantity.replaceAll("_", " ") : name;
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

function Plot({ finding, run, theme, table, entries }: Props & { table: Table; entries: Evidence[] }) {
  const { t, lang } = useText();
  const lines = useMemo(() => evidenceLines(table, entries), [table, entries]);
  const marks = useMemo(() => marksOf([finding]), [finding]);
  const thresholds = useMemo(() => thresholdLines(entries, lines, t, lang), [entries, lines, lang]);
  const deciding = useMemo(() => decidingPoints(entries, lines, lang), [entries, lines, lang]);
  const name = nameOf(table.quantity, t);
  if (lines.length === 0) return null;
  return (
    <>
      <LinePlot
        lines={lines}
        marks={marks}
        thresholds={thresholds}
        deciding={deciding}
        theme={theme}
        label={`${finding.code}: ${name}`}
        title={withUnit(name, table.unit)}
        about={run.run}
        extent={extentOf(run)}
        height={180}
        records={table.records}
      />
      {entries.some((entry) => isDerived(entry, lines)) ? <p class="muted">{t("findings.derived")}</p> : null}
    </>
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
    <section data-part="evidence">
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
