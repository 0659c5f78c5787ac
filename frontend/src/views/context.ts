/** What every view is given. */
import type { Shown } from "../data/mutes";
import type { Resource } from "../data/resource";
import type { Rule, RunSummary, Runs } from "../data/types";
import type { Place } from "../host/hash";
import type { Go } from "../host/place";
import type { Theme } from "../host/theme";

export interface ViewProps {
  runs: Runs;
  run: RunSummary;
  place: Place;
  go: Go;
  theme: Theme;
  /** Without what was put aside in this browser, which it holds apart. */
  diagnosis: Resource<Shown>;
  /** Whether the server does not answer: what is shown may be old. */
  stale: boolean;
  rules: ReadonlyMap<string, Rule>;
}
