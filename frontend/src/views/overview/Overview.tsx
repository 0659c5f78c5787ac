/** The first screen: all runs, and the one that was asked for or is worst. */
import type { Runs } from "../../data/types";
import type { Place } from "../../host/hash";
import type { Go } from "../../host/place";
import type { ViewProps } from "../context";
import { RunsTable } from "../runs/RunsTable";
import { OneRun } from "./OneRun";
import { Settings } from "./Settings";

/** Nothing where there is but one run. */
export function AllRuns(props: { runs: Runs; selected: string; place: Place; go: Go }) {
  const { runs } = props;
  return runs.runs.length + runs.without_data.length + runs.left_out.length > 1 ? (
    <RunsTable {...props} />
  ) : null;
}

export function Overview(props: ViewProps) {
  const { runs, run, place, go } = props;
  // Who asked for a run sees its answer first; who asked for none chooses one.
  const asked = place.run !== undefined && place.run !== "";
  const list = <AllRuns runs={runs} selected={run.run} place={place} go={go} />;
  return (
    <>
      <Settings configuration={runs.configuration} extensions={runs.extensions} />
      {asked ? null : list}
      <OneRun {...props} />
      {asked ? list : null}
    </>
  );
}
