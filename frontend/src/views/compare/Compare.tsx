/** Two to six runs beside each other: what differs, which findings they share, the same curves and pictures on the same scales. */

import type { ComponentChildren } from "preact";
import { useMemo } from "preact/hooks";
import { getDiagnosis } from "../../data/client";
import { idOf } from "../../data/findings";
import { useResource } from "../../data/resource";
import type { RunDiagnosis, RunSummary } from "../../data/types";
import { readNames } from "../../host/hash";
import { useText } from "../../i18n";
import { PlaceLink } from "../../parts/PlaceLink";
import { Scroll } from "../../parts/Scroll";
import { Loaded, Note } from "../../parts/States";
import { SeverityMark } from "../../parts/Status";
import { spanStart } from "../../text/spans";
import { capital } from "../../text/words";
import type { ViewProps } from "../context";
import { AlignPick } from "./AlignPick";
import { Chooser } from "./Chooser";
import { CompareHeat } from "./CompareHeat";
import { CompareTwo } from "./CompareTwo";
import { RunColours, useRunColours } from "./colours";
import { acrossRuns, MOST } from "./compared";
import { Factors } from "./Factors";
import { Heads } from "./FactsTable";
import { ManyFacts } from "./ManyFacts";
import { RunLegend } from "./RunLegend";
import { RunsChart } from "./RunsChart";
import { useAligned } from "./useAligned";

type Chosen = ViewProps & { chosen: RunSummary[] };

function Findings({ chosen, diagnoses, place, go }: Chosen & { diagnoses: RunDiagnosis[] }) {
  const { t, lang } = useText();
  const rows = useMemo(() => acrossRuns(diagnoses), [diagnoses]);
  if (rows.length === 0) return <Note>{t("compare.noFindings")}</Note>;
  return (
    <Scroll label={t("runs.findings")}>
      <table class="facts">
        <thead>
          <tr>
            <th scope="col">{t("runs.findings")}</th>
            <Heads chosen={chosen} />
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.key}>
              <th scope="row">
                {row.code} {row.title} <span class="muted">{row.subject}</span>
              </th>
              {row.found.map((finding, at) => (
                <td key={chosen[at]?.run}>
                  {finding ? (
                    <PlaceLink
                      place={place}
                      change={{ run: chosen[at]?.run ?? "", view: "findings", f: idOf(finding) }}
                      go={go}
                    >
                      <SeverityMark severity={finding.severity} />{" "}
                      {spanStart(t, lang, finding.first_step, finding.last_step)}
                    </PlaceLink>
                  ) : (
                    "–"
                  )}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

const CURVES = ["loss", "validation_loss", "global_norm", "clip_global_norm"] as const;

function Drawn(props: Chosen & { diagnoses: RunDiagnosis[]; factors: ComponentChildren }) {
  const { t } = useText();
  const { chosen } = props;
  const aligned = useAligned(props);
  const curves = CURVES.filter((quantity) => chosen.some((entry) => entry.quantities.includes(quantity)));
  return (
    <>
      {chosen.length === 2 ? (
        <CompareTwo chosen={chosen} place={props.place} go={props.go} />
      ) : (
        <>
          <ManyFacts chosen={chosen} diagnoses={props.diagnoses} />
          <h2>{t("compare.findings")}</h2>
          <Findings {...props} />
        </>
      )}
      {props.factors}
      <AlignPick {...props} aligned={aligned} />
      <RunLegend chosen={chosen} />
      <div class="panels">
        {curves.map((quantity) => (
          <RunsChart
            key={quantity}
            {...{ chosen, aligned, quantity }}
            theme={props.theme}
            label={capital(t(`stat.${quantity}`))}
          />
        ))}
      </div>
      <CompareHeat {...props} aligned={aligned} />
    </>
  );
}

export function Compare(props: ViewProps) {
  const { run, runs, place } = props;
  const { t, lang } = useText();
  const chosen = useMemo(() => {
    const others = readNames(place.cmp).flatMap((name) => {
      const found = runs.runs.find((entry) => entry.run === name && entry.problem === null);
      return found && found.run !== run.run ? [found] : [];
    });
    return [run, ...others].slice(0, MOST);
  }, [place.cmp, run, runs]);
  const colours = useRunColours(chosen, props.theme);
  const about = chosen.length > 1 ? JSON.stringify([lang, chosen.map((entry) => entry.run)]) : null;
  const diagnoses = useResource(about, chosen.map((entry) => entry.data_version).join(), (signal) =>
    Promise.all(chosen.map((entry) => getDiagnosis(entry.run, lang, signal))),
  );
  const factors = <Factors {...props} chosen={chosen} />;
  return (
    <RunColours.Provider value={colours}>
      <h2>{t("view.compare")}</h2>
      <Chooser {...props} chosen={chosen} />
      {chosen.length < 2 ? (
        <>
          <Note>{t(runs.runs.length < 2 ? "compare.alone" : "compare.second")}</Note>
          {factors}
        </>
      ) : (
        <Loaded resource={diagnoses} what={t("view.compare")}>
          {(value) => <Drawn {...props} chosen={chosen} diagnoses={value} factors={factors} />}
        </Loaded>
      )}
    </RunColours.Provider>
  );
}
