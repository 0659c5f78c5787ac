/** The first screen: how the runs are, what is wrong with this one, and the loss with the findings on it. */
import type { Restart } from "../../data/types";
import { useText } from "../../i18n";
import { Loaded, Note } from "../../parts/States";
import type { ViewProps } from "../context";
import { Accepted } from "../findings/Accepted";
import { Outcomes } from "../findings/Outcomes";
import { RunsTable } from "../runs/RunsTable";
import { Causes } from "./Causes";
import { Lanes } from "./Lanes";
import { LossChart } from "./LossChart";
import { Restarts } from "./Restarts";
import { Settings } from "./Settings";

const NO_RESTARTS: Restart[] = [];

export function Overview({ runs, run, place, go, theme, diagnosis }: ViewProps) {
  const { t } = useText();
  const findings = diagnosis.value?.findings ?? [];
  return (
    <>
      <Settings configuration={runs.configuration} extensions={runs.extensions} />
      {runs.runs.length + runs.without_data.length + runs.left_out.length > 1 ? (
        <RunsTable runs={runs} selected={run.run} place={place} go={go} />
      ) : null}
      {run.problem ? <Note>{run.problem}</Note> : null}
      <Loaded resource={diagnosis} what={t("view.findings")}>
        {(value) => (
          <Causes diagnosis={value} steps={[run.first_step, run.last_step]} place={place} go={go} />
        )}
      </Loaded>
      <div class="side-by-side">
        {run.problem === null ? (
          <LossChart
            run={run}
            findings={findings}
            restarts={diagnosis.value?.restarts ?? NO_RESTARTS}
            theme={theme}
          />
        ) : null}
        {findings.length > 0 ? <Lanes run={run} findings={findings} place={place} go={go} /> : null}
      </div>
      {diagnosis.value ? <Restarts restarts={diagnosis.value.restarts} /> : null}
      {diagnosis.value ? <Accepted findings={diagnosis.value.suppressed} /> : null}
      {diagnosis.value ? (
        <Outcomes outcomes={diagnosis.value.outcomes} unlocks={diagnosis.value.unlocks} />
      ) : null}
    </>
  );
}
