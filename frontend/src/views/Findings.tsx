/** Findings: a list on the left, the open finding on the right; on narrow pages one replaces the other. */
import { useEffect } from "preact/hooks";
import { findById, idOf } from "../data/findings";
import type { Finding, RunDiagnosis } from "../data/types";
import { useText } from "../i18n";
import { Loaded, Note } from "../parts/States";
import { formatSteps } from "../text/numbers";
import type { ViewProps } from "./context";
import { Detail } from "./Detail";
import { FindingList } from "./FindingList";
import { Outcomes } from "./Outcomes";

/** Where a key leads from the open finding: another index, "back", or nowhere. */
export function keyTarget(key: string, index: number, count: number): number | "back" | null {
  if (key === "Escape" || key === "ArrowLeft") return "back";
  if (key === "j" || key === "ArrowDown") return Math.min(count - 1, index + 1);
  if (key === "k" || key === "ArrowUp") return Math.max(0, index - 1);
  if (key === "Home") return 0;
  return key === "End" ? count - 1 : null;
}

function OpenFinding({ finding, ...props }: ViewProps & { finding: Finding | undefined }) {
  const { t } = useText();
  const asked = props.place.f;
  // A newly opened finding is read from its top.
  useEffect(() => {
    window.scrollTo(0, 0);
  }, [asked]);
  return (
    <article class="detail">
      {asked && !finding ? <Note>{t("findings.gone")}</Note> : null}
      {finding ? <Detail finding={finding} {...props} /> : null}
    </article>
  );
}

function NoFindings({ diagnosis, run }: { diagnosis: RunDiagnosis; run: ViewProps["run"] }) {
  const { t, lang } = useText();
  if (diagnosis.status === "too early") return <Note>{t("causes.early", { steps: diagnosis.steps })}</Note>;
  const passed = diagnosis.outcomes.filter(({ outcome }) => outcome === "clear").length;
  const skipped = diagnosis.outcomes.filter(({ outcome }) => outcome === "not evaluated").length;
  return (
    <Note>
      {t("causes.none", { steps: formatSteps(run.first_step, run.last_step, lang), passed, skipped })}
    </Note>
  );
}

function Both({ diagnosis, ...props }: ViewProps & { found: RunDiagnosis }) {
  const { place, go } = props;
  const { findings } = props.found;
  const open = place.f ? findById(findings, place.f) : findings[0];
  const select = (finding: Finding) => go({ f: idOf(finding) });
  const press = (event: KeyboardEvent) => {
    const index = open ? findings.findIndex((finding) => idOf(finding) === idOf(open)) : -1;
    const target = keyTarget(event.key, index, findings.length);
    if (target === null) return;
    event.preventDefault();
    if (target === "back") return go({ f: "" });
    const finding = findings[target];
    if (finding) select(finding);
  };
  return (
    <div class={`findings ${place.f ? "opened" : ""}`}>
      <div class="list">
        {findings.length === 0 ? <NoFindings diagnosis={props.found} run={props.run} /> : null}
        <FindingList findings={findings} open={open} place={place} go={go} press={press} />
        <Outcomes outcomes={props.found.outcomes} />
      </div>
      <OpenFinding finding={open} diagnosis={diagnosis} {...props} />
    </div>
  );
}

export function Findings(props: ViewProps) {
  const { t } = useText();
  return (
    <Loaded resource={props.diagnosis} what={t("view.findings")}>
      {(found) => <Both {...props} found={found} />}
    </Loaded>
  );
}
