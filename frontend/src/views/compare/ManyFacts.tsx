/** Three and more runs beside each other: what came of each, what was set differently, and, folded, what was the same. */
import { useMemo } from "preact/hooks";
import { type RunDiagnosis, type RunSummary, toNumber } from "../../data/types";
import { useText } from "../../i18n";
import { Folded } from "../../parts/Folded";
import { Scroll } from "../../parts/Scroll";
import { Counts, StatusChip } from "../../parts/Status";
import { formatInteger, formatValue } from "../../text/numbers";
import { type About, aboutOf, differing, factValue, settingsFirst } from "./compared";
import { FactsTable, Heads } from "./FactsTable";
import { bestOutcome, type Measure, ranked } from "./factors";

interface Props {
  chosen: RunSummary[];
  diagnoses: RunDiagnosis[];
}

/** The number of each run; the best of them is marked. */
function Losses({ chosen, measure }: { chosen: RunSummary[]; measure: Measure }) {
  const { t, lang } = useText();
  if (chosen.every((run) => run[measure] === null)) return null;
  const best = bestOutcome(ranked(chosen, measure))?.outcome;
  return (
    <tr>
      <th scope="row">{t(measure === "loss" ? "runs.loss" : "compare.bestValidation")}</th>
      {chosen.map((run) => {
        const value = toNumber(run[measure]);
        return value !== null && value === best ? (
          <td key={run.run} class="best">
            <strong>{formatValue(value, lang)}</strong> <span class="best-mark">✓ {t("compare.best")}</span>
          </td>
        ) : (
          <td key={run.run}>{formatValue(value, lang)}</td>
        );
      })}
    </tr>
  );
}

function Outcome({ chosen }: { chosen: RunSummary[] }) {
  const { t, lang } = useText();
  return (
    <Scroll label={t("compare.outcome")}>
      <table class="facts">
        <thead>
          <tr>
            <th scope="col">{t("compare.outcome")}</th>
            <Heads chosen={chosen} />
          </tr>
        </thead>
        <tbody>
          <tr>
            <th scope="row">{t("runs.status")}</th>
            {chosen.map((run) => (
              <td key={run.run}>
                <StatusChip status={run.status} />
              </td>
            ))}
          </tr>
          <Losses chosen={chosen} measure="best_validation" />
          <Losses chosen={chosen} measure="loss" />
          <tr>
            <th scope="row">{t("runs.findings")}</th>
            {chosen.map((run) => (
              <td key={run.run}>
                <Counts counts={run.counts} />
              </td>
            ))}
          </tr>
          <tr>
            <th scope="row">{t("runs.steps")}</th>
            {chosen.map((run) => (
              <td key={run.run}>{formatInteger(run.steps, lang)}</td>
            ))}
          </tr>
        </tbody>
      </table>
    </Scroll>
  );
}

/** Lines of the script and what broke are no settings. */
const NO_SETTING = /_lines?$|^broken_batches$/;

export function ManyFacts({ chosen, diagnoses }: Props) {
  const { t, lang } = useText();
  const [apart, same] = useMemo(() => {
    const own = diagnoses.map((each, at) => ({ ...each.facts, ...chosen[at]?.settings }));
    const rows = differing(own, true).filter(([name]) => !NO_SETTING.test(name));
    const told = settingsFirst(rows).map(([name, values]): [string, string[]] => [
      name,
      values.map((value) => factValue(name, value, lang)),
    ]);
    const differs = ([, values]: [string, string[]]) => new Set(values).size > 1;
    return [told.filter(differs), told.filter((row) => !differs(row))];
  }, [chosen, diagnoses, lang]);
  const about = (kind: About) => apart.filter(([name]) => aboutOf(name) === kind);
  const rules = about("rules");
  return (
    <>
      <Outcome chosen={chosen} />
      <h2>{t("compare.facts")}</h2>
      <FactsTable chosen={chosen} rows={[...about("settings"), ...about("levels")]} />
      {rules.length > 0 ? (
        <Folded title={t("compare.thresholds", { count: rules.length })}>
          <FactsTable chosen={chosen} rows={rules} label={t("compare.thresholds", { count: rules.length })} />
        </Folded>
      ) : null}
      {same.length > 0 ? (
        <Folded title={t("compare.same", { count: same.length })}>
          <FactsTable chosen={chosen} rows={same} label={t("compare.same", { count: same.length })} />
        </Folded>
      ) : null}
    </>
  );
}
