/** The whole page: the bar, and the view that the address names. */
import type { ComponentType } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import { getDiagnosis, getRules } from "../data/client";
import { ClockContext, useClock } from "../data/clock";
import { type Shown as Diagnosed, useShownDiagnosis, useShownRuns } from "../data/mutes";
import { type Resource, useResource } from "../data/resource";
import type { RunSummary, Runs } from "../data/types";
import { currentAxis, onZoom, setZoom } from "../data/zoom";
import { type Place, readRange, type View, writeRange } from "../host/hash";
import { type Go, usePlace } from "../host/place";
import { type Theme, useTheme } from "../host/theme";
import { type Lang, LangContext, pickLanguage, translate, useText } from "../i18n";
import { Loaded, Note, Skeleton } from "../parts/States";
import { QuantityNames } from "../text/quantities";
import { Activations } from "../views/activations/Activations";
import { Clipping } from "../views/clipping/Clipping";
import { Compare } from "../views/compare/Compare";
import type { ViewProps } from "../views/context";
import { Findings } from "../views/findings/Findings";
import { Gradients } from "../views/layers/Gradients";
import { AllRuns, Overview } from "../views/overview/Overview";
import { Report } from "../views/report/Report";
import { Terms } from "../views/terms/Terms";
import { Bar } from "./Bar";
import { Empty } from "./Empty";
import { Pinned } from "./Pinned";
import { useChosenRun, useRuns } from "./useRuns";

const LINK_MS = 300;
const NO_NAMES = {};
const NO_RESTARTS: never[] = [];

const COMPONENTS: Record<View, ComponentType<ViewProps>> = {
  overview: Overview,
  findings: Findings,
  gradients: Gradients,
  terms: Terms,
  clipping: Clipping,
  activations: Activations,
  compare: Compare,
  report: Report,
};

interface ShownProps {
  runs: Runs;
  run: RunSummary;
  place: Place;
  go: Go;
  diagnosis: Resource<Diagnosed>;
  stale: boolean;
  theme: Theme;
}

function Shown({ runs, run, place, go, diagnosis, stale, theme }: ShownProps) {
  const { lang } = useText();
  const documents = useResource(lang, "", (signal) => getRules(lang, signal));
  const rules = useMemo(
    () => new Map((documents.value?.rules ?? []).map((rule) => [rule.code, rule])),
    [documents.value],
  );
  const names = documents.value?.quantities ?? NO_NAMES;
  const clock = useClock(run);
  const view = place.view ?? "overview";
  const Component = COMPONENTS[view];
  // Nothing can be shown of a run that cannot be read, but the overview still lists the others.
  if (run.problem !== null && view !== "overview") {
    return (
      <main tabIndex={-1}>
        <Note>{run.problem}</Note>
      </main>
    );
  }
  if (run.status === "reading" && view !== "overview") {
    return (
      <main tabIndex={-1}>
        <Skeleton />
      </main>
    );
  }
  return (
    <main tabIndex={-1}>
      <ClockContext.Provider value={clock}>
        <QuantityNames.Provider value={names}>
          {run.problem === null && run.status !== "reading" ? (
            <Pinned run={run} restarts={diagnosis.value?.restarts ?? NO_RESTARTS} theme={theme} />
          ) : null}
          <Component
            key={`${view} ${run.run}`}
            runs={runs}
            run={run}
            place={place}
            go={go}
            theme={theme}
            diagnosis={diagnosis}
            rules={rules}
            stale={stale}
          />
        </QuantityNames.Provider>
      </ClockContext.Provider>
    </main>
  );
}

/** The document that TensorBoard gives us has no language and no title. */
function useDocument(lang: Lang, run: string | undefined): void {
  useEffect(() => {
    document.documentElement.lang = lang;
    const name = translate(lang, "app.title");
    document.title = run ? `${run} · ${name}` : name;
  }, [lang, run]);
}

/** The link names the range of steps in view, and follows it. */
function useLinkedZoom(place: Place, go: Go): void {
  useEffect(() => setZoom(readRange(place.x), null, "step"), [place.x]);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stop = onZoom((range) => {
      if (currentAxis() !== "step") return;
      clearTimeout(timer);
      timer = setTimeout(() => go({ x: writeRange(range) }), LINK_MS);
    });
    return () => {
      clearTimeout(timer);
      stop();
    };
  }, [go]);
}

export function App() {
  const [place, go] = usePlace();
  const lang = pickLanguage(place.lang);
  const theme = useTheme();
  const held = useRuns(lang, place.run);
  const shown = useShownRuns(held.value);
  const runs = { ...held, value: shown };
  useLinkedZoom(place, go);
  const run = useChosenRun(runs.value, place.run, place.view);
  const about =
    run && run.problem === null && run.status !== "reading" ? JSON.stringify([run.run, lang]) : null;
  const whole = useResource(about, run?.data_version ?? "", (signal) =>
    getDiagnosis(run?.run ?? "", lang, signal),
  );
  const diagnosis = { ...whole, value: useShownDiagnosis(whole.value) };
  useDocument(lang, run?.run);
  return (
    <LangContext.Provider value={lang}>
      <Bar runs={runs} run={run} causes={diagnosis.value?.findings.length ?? 0} place={place} go={go} />
      <Loaded resource={runs} what={translate(lang, "runs.heading")}>
        {(value) =>
          run ? (
            <Shown
              runs={value}
              run={run}
              place={place}
              go={go}
              diagnosis={diagnosis}
              stale={held.error !== undefined}
              theme={theme}
            />
          ) : (
            <main tabIndex={-1}>
              {value.runs.length === 0 ? (
                <Empty runs={value} />
              ) : (
                <AllRuns runs={value} selected="" place={place} go={go} />
              )}
            </main>
          )
        }
      </Loaded>
    </LangContext.Provider>
  );
}
