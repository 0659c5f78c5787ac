/** All runs with their state, the worst first unless another order was chosen; runs without our data are listed, greyed. */

import { useMemo, useState } from "preact/hooks";
import { type RunSummary, type Runs, toNumber } from "../../data/types";
import type { Place } from "../../host/hash";
import type { Go } from "../../host/place";
import { useText } from "../../i18n";
import { Sentence } from "../../parts/Markdown";
import { PlaceLink } from "../../parts/PlaceLink";
import { Scroll } from "../../parts/Scroll";
import { SortHead } from "../../parts/SortHead";
import { Counts, StatusChip } from "../../parts/Status";
import { ago } from "../../text/age";
import { formatInteger, formatValue } from "../../text/numbers";
import { COLUMNS, type ColumnName, checksOf, sortedRuns, WORST_FIRST } from "./runOrder";

interface Props {
  runs: Runs;
  selected: string;
  place: Place;
  go: Go;
}

function RunRow({ run, selected, place, go }: { run: RunSummary; selected: boolean; place: Place; go: Go }) {
  const { t, lang } = useText();
  const checks = checksOf(run);
  const time = run.last_walltime;
  return (
    <tr class={selected ? "selected" : ""}>
      <th scope="row">
        <PlaceLink place={place} change={{ run: run.run, f: "", layer: "" }} go={go} current={selected}>
          {run.run}
        </PlaceLink>
        {run.problem ? <div class="muted">{run.problem}</div> : null}
        {run.top ? (
          <div class="muted top">
            <Sentence text={run.top} />
          </div>
        ) : null}
      </th>
      <td>
        <StatusChip status={run.status} />
      </td>
      <td>
        <Counts counts={run.counts} />
      </td>
      <td class="number">{formatInteger(run.steps, lang)}</td>
      <td class="number">{formatValue(toNumber(run.loss), lang)}</td>
      <td>{time === null ? "–" : (ago(time, Date.now() / 1000, lang) ?? t("runs.ago.now"))}</td>
      <td>{checks.all === 0 ? t("runs.noChecks") : t("runs.checksOf", checks)}</td>
    </tr>
  );
}

export function RunsTable({ runs, selected, place, go }: Props) {
  const { t } = useText();
  const [sorting, setSorting] = useState(WORST_FIRST);
  const rows = useMemo(() => sortedRuns(runs.runs, sorting), [runs, sorting]);
  const sort = (by: ColumnName) =>
    setSorting((old) => ({ by, down: old.by === by ? !old.down : by !== "run" }));
  return (
    <section>
      <h2>{t("runs.heading")}</h2>
      <Scroll label={t("runs.heading")}>
        <table class="runs">
          <thead>
            <tr>
              {COLUMNS.map((name) => (
                <SortHead key={name} name={name} text={t(`runs.${name}`)} sorting={sorting} sort={sort} />
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((run) => (
              <RunRow key={run.run} run={run} selected={run.run === selected} place={place} go={go} />
            ))}
            {runs.without_data.map((name) => (
              <tr class="without" key={`without ${name}`}>
                <th scope="row">{name}</th>
                <td colSpan={COLUMNS.length - 1}>{t("runs.noData")}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </section>
  );
}
