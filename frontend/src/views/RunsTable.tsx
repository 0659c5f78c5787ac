/** All runs with their state; runs without our data are listed, greyed. */

import { type RunSummary, type Runs, toNumber } from "../data/types";
import type { Place } from "../host/hash";
import type { Go } from "../host/place";
import { useText } from "../i18n";
import { Sentence } from "../parts/Markdown";
import { PlaceLink } from "../parts/PlaceLink";
import { Scroll } from "../parts/Scroll";
import { Counts, StatusChip } from "../parts/Status";
import { formatInteger, formatValue } from "../text/numbers";
import { ago } from "./age";

interface Props {
  runs: Runs;
  selected: string;
  place: Place;
  go: Go;
}

function checksOf(run: RunSummary): { passed: number; all: number } {
  const { findings = 0, clear = 0, failed = 0, "not evaluated": skipped = 0 } = run.outcomes;
  return { passed: clear, all: findings + clear + failed + skipped };
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

const HEADS = ["run", "status", "findings", "steps", "loss", "lastData", "checks"] as const;

export function RunsTable({ runs, selected, place, go }: Props) {
  const { t } = useText();
  return (
    <section>
      <h2>{t("runs.heading")}</h2>
      <Scroll label={t("runs.heading")}>
        <table class="runs">
          <thead>
            <tr>
              {HEADS.map((head) => (
                <th scope="col" key={head}>
                  {t(`runs.${head}`)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {runs.runs.map((run) => (
              <RunRow key={run.run} run={run} selected={run.run === selected} place={place} go={go} />
            ))}
            {runs.without_data.map((name) => (
              <tr class="without" key={`without ${name}`}>
                <th scope="row">{name}</th>
                <td colSpan={HEADS.length - 1}>{t("runs.noData")}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </section>
  );
}
