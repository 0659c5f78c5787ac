/** The first screen: how the runs are, what is wrong with this one, and the loss with the findings on it. */
import { useText } from "../i18n";
import { Loaded, Note } from "../parts/States";
import { Causes } from "./Causes";
import type { ViewProps } from "./context";
import { Lanes } from "./Lanes";
import { LossChart } from "./LossChart";
import { Outcomes } from "./Outcomes";
import { RunsTable } from "./RunsTable";

export function Overview({ runs, run, place, go, theme, diagnosis }: ViewProps) {
  const { t } = useText();
  const findings = diagnosis.value?.findings ?? [];
  return (
    <>
      {runs.runs.length + runs.without_data.length > 1 ? (
        <RunsTable runs={runs} selected={run.run} place={place} go={go} />
      ) : null}
      {run.problem ? <Note>{run.problem}</Note> : null}
      <Loaded resource={diagnosis} what={t("view.findings")}>
        {(value) => (
          <Causes diagnosis={value} steps={[run.first_step, run.last_step]} place={place} go={go} />
        )}
      </Loaded>
      <div class="side-by-side">
        {run.problem === null ? <LossChart run={run} findings={findings} theme={theme} /> : null}
        {findings.length > 0 ? <Lanes run={run} findings={findings} place={place} go={go} /> : null}
      </div>
      {diagnosis.value ? <Outcomes outcomes={diagnosis.value.outcomes} /> : null}
    </>
  );
}
