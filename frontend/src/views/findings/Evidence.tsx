/** The curves a finding was decided from, with its steps shaded and its threshold drawn in. */
import { useMemo } from "preact/hooks";
import type { Table } from "../../data/table";
import { type Tables, useTables } from "../../data/tables";
import { type Evidence, type Finding, type RunSummary, toNumber } from "../../data/types";
import type { Theme } from "../../host/theme";
import { type T, useText } from "../../i18n";
import { Folded } from "../../parts/Folded";
import { Loaded, Note } from "../../parts/States";
import { formatValue } from "../../text/numbers";
import { useQuantityName } from "../../text/quantities";
import { decidingPoints, evidenceLines, groupEvidence, isDerived, thresholdLines } from "./evidenceLines";
import { FindingPlot } from "./FindingPlot";
import { JudgedPlot, judgedOf, plainName } from "./JudgedPlot";

interface Props {
  finding: Finding;
  run: RunSummary;
  theme: Theme;
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
  const nameOf = useQuantityName();
  return (
    <ul class="readings">
      {entries.map((entry) => {
        const text = sentence(entry, t, lang);
        if (text === null) return null;
        return (
          <li key={`${entry.column}${entry.first_step}`}>
            {entry.column ? <code>{entry.column}</code> : nameOf(entry.quantity)} {text}
          </li>
        );
      })}
    </ul>
  );
}

function Plot({ finding, run, theme, table, entries }: Props & { table: Table; entries: Evidence[] }) {
  const { t, lang } = useText();
  const nameOf = useQuantityName();
  const lines = useMemo(() => evidenceLines(table, entries), [table, entries]);
  const own = useMemo(() => entries.filter(({ judged }) => !judged), [entries]);
  const thresholds = useMemo(() => thresholdLines(own, lines, t, lang), [own, lines, lang]);
  const deciding = useMemo(() => decidingPoints(own, lines, lang), [own, lines, lang]);
  if (lines.length === 0) return null;
  return (
    <>
      <FindingPlot
        finding={finding}
        run={run}
        theme={theme}
        lines={lines}
        thresholds={thresholds}
        deciding={deciding}
        name={nameOf(table.quantity)}
        unit={table.unit}
        records={table.records}
      />
      {own.some((entry) => isDerived(entry, lines)) ? <p class="muted">{t("findings.derived")}</p> : null}
    </>
  );
}

function Group({ quantity, entries, tables, ...props }: Props & GroupProps) {
  const { t } = useText();
  const table = tables.get(quantity);
  const told = entries.filter(({ judged }) => !judged);
  return (
    <>
      {table ? (
        <Plot {...props} table={table} entries={entries} />
      ) : (
        <Note>{t("missing.quantity", { quantity })}</Note>
      )}
      <Readings entries={told} />
    </>
  );
}

interface GroupProps {
  quantity: string;
  entries: Evidence[];
  tables: Tables;
}

/** What was judged comes first, then the recorded curves; all but the first are folded, so that the fix stays on the first screen. */
export function EvidenceCharts(props: Props) {
  const { t } = useText();
  const nameOf = useQuantityName();
  const groups = useMemo(() => groupEvidence(props.finding.evidence), [props.finding]);
  const tables = useTables(
    props.run,
    groups.map(([quantity]) => quantity),
  );
  const judged = useMemo(() => judgedOf(props.finding.evidence), [props.finding]);
  if (groups.length === 0) return null;
  const first = judged[0];
  return (
    <section data-part="evidence">
      <h3>{t("findings.evidence")}</h3>
      <div>
        {first ? <JudgedPlot {...props} entry={first[0]} judged={first[1]} /> : null}
        {judged.slice(1).map(([entry, series]) => (
          <Folded key={series.name} title={plainName(series.name)}>
            <JudgedPlot {...props} entry={entry} judged={series} />
          </Folded>
        ))}
        <Loaded resource={tables} what={t("findings.evidence")}>
          {(loaded) =>
            groups.map(([quantity, entries], index) => {
              const group = (
                <Group key={quantity} {...props} quantity={quantity} entries={entries} tables={loaded} />
              );
              const open = index === 0 && !first;
              return open ? group : <Folded title={nameOf(quantity)}>{group}</Folded>;
            })
          }
        </Loaded>
      </div>
    </section>
  );
}
