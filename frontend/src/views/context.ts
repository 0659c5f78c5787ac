/** What every view is given. */
import type { Resource } from "../data/resource";
import type { Rule, RunDiagnosis, RunSummary, Runs } from "../data/types";
import type { Place } from "../host/hash";
import type { Go } from "../host/place";
import type { Theme } from "../host/theme";

export interface ViewProps {
  runs: Runs;
  run: RunSummary;
  place: Place;
  go: Go;
  theme: Theme;
  diagnosis: Resource<RunDiagnosis>;
  rules: ReadonlyMap<string, Rule>;
}
