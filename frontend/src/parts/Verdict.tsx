/** What the checks of one family say, before any curve: their findings, or how many of them found nothing. */
import { countOutcomes, everyFinding, idOf, severityOf } from "../data/findings";
import type { Finding, RunDiagnosis } from "../data/types";
import type { Place } from "../host/hash";
import type { Go } from "../host/place";
import { useText } from "../i18n";
import { Sentence } from "./Markdown";
import { PlaceLink } from "./PlaceLink";
import { SeverityMark } from "./Status";

/** Findings of the family, causes as well as what others explain: a symptom elsewhere is the verdict here. */
export function findingsOf(findings: Finding[], family: string): Finding[] {
  return everyFinding(findings).filter(({ code }) => code.startsWith(family));
}

interface Props {
  diagnosis: RunDiagnosis;
  /** How the codes of the family begin. */
  family: string;
  place: Place;
  go: Go;
}

function Passed({ diagnosis, family }: Pick<Props, "diagnosis" | "family">) {
  const { t } = useText();
  const checks = diagnosis.outcomes.filter(({ code }) => code.startsWith(family));
  const passed = countOutcomes(checks, "clear");
  const skipped = countOutcomes(checks, "not evaluated");
  if (passed === 0) return <p class="verdict muted">{t("verdict.none", { count: skipped })}</p>;
  return (
    <p class="verdict">
      <span class="status-healthy" aria-hidden="true">
        ✓{" "}
      </span>
      {t("verdict.passed", { passed, skipped })}
    </p>
  );
}

export function Verdict({ diagnosis, family, place, go }: Props) {
  const found = findingsOf(diagnosis.findings, family);
  if (found.length === 0) return <Passed diagnosis={diagnosis} family={family} />;
  return (
    <ul class="verdicts">
      {found.map((finding) => (
        <li key={idOf(finding)} class={`verdict edge-${severityOf(finding)}`}>
          <SeverityMark severity={severityOf(finding)} />{" "}
          <PlaceLink place={place} change={{ view: "findings", f: idOf(finding) }} go={go}>
            {finding.code} {finding.title}
          </PlaceLink>
          <p>
            <Sentence text={finding.message} />
          </p>
        </li>
      ))}
    </ul>
  );
}
