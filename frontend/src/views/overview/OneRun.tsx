/** One run on one screen: how it is, what is wrong since when and what to do, the loss with the findings under it. */
import { useContext } from "preact/hooks";
import { ClockContext, timeOfDay } from "../../data/clock";
import type { Finding, Restart } from "../../data/types";
import { isExported } from "../../host/exported";
import { useText } from "../../i18n";
import { PlaceLink } from "../../parts/PlaceLink";
import { Loaded, Note, Skeleton } from "../../parts/States";
import { StatusChip } from "../../parts/Status";
import { ago, lifeOf, momentOf } from "../../text/age";
import { formatInteger } from "../../text/numbers";
import type { ViewProps } from "../context";
import { Accepted } from "../findings/Accepted";
import { Outcomes } from "../findings/Outcomes";
import { Causes } from "./Causes";
import { LossChart } from "./LossChart";
import { Restarts } from "./Restarts";

const NO_RESTARTS: Restart[] = [];
const NO_FINDINGS: Finding[] = [];

/** "900 steps · last record at 21:43:07 (4 minutes ago)". */
function About({ run, runs, stale }: Pick<ViewProps, "run" | "runs" | "stale">) {
  const { t, lang } = useText();
  if (run.status === "reading") return null;
  const steps = t("run.steps", { steps: formatInteger(run.steps, lang) });
  if (run.last_walltime === null) return <span class="muted">{steps}</span>;
  const time = timeOfDay(1000 * run.last_walltime, lang);
  const now = isExported() ? Date.now() / 1000 : runs.now;
  const age = ago(run.last_walltime, now, lang) ?? t("runs.ago.now");
  const life = lifeOf(run, now, isExported() || stale);
  return (
    <span class="muted" title={momentOf(run.last_walltime, lang)}>
      {steps} · {t(`run.${life}`, { time, age })}
    </span>
  );
}

export function OneRun(props: ViewProps) {
  const { runs, run, place, go, theme, diagnosis } = props;
  const { t } = useText();
  const clock = useContext(ClockContext);
  const { restarts, suppressed, outcomes, unlocks, muted } = diagnosis.value ?? {};
  return (
    <section class="one-run">
      <h2>
        <StatusChip status={run.status} /> {run.run} <About run={run} runs={runs} stale={props.stale} />
      </h2>
      {run.problem ? <Note>{run.problem}</Note> : null}
      {run.status === "reading" ? <Skeleton /> : null}
      <Loaded resource={diagnosis} what={t("view.findings")}>
        {(value) => (
          <Causes diagnosis={value} steps={[run.first_step, run.last_step]} {...{ clock, place, go }} />
        )}
      </Loaded>
      {run.problem === null && run.status !== "reading" ? (
        <LossChart
          findings={diagnosis.value?.findings ?? NO_FINDINGS}
          restarts={restarts ?? NO_RESTARTS}
          {...{ run, theme, place, go }}
        />
      ) : null}
      {muted && muted.length > 0 ? (
        <p>
          <PlaceLink place={place} change={{ view: "findings", f: "" }} go={go}>
            {t("mute.list", { count: muted.length })}
          </PlaceLink>
        </p>
      ) : null}
      {restarts ? <Restarts restarts={restarts} /> : null}
      {suppressed ? <Accepted findings={suppressed} /> : null}
      {outcomes && unlocks ? <Outcomes outcomes={outcomes} unlocks={unlocks} rules={props.rules} /> : null}
    </section>
  );
}
