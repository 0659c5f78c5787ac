/** A run without findings: what that says, and how far it carries. */
import { countOutcomes } from "../data/findings";
import type { RunDiagnosis } from "../data/types";
import { gapOf, useText } from "../i18n";
import { formatInteger, formatSteps } from "../text/numbers";
import { Note } from "./States";

interface Props {
  diagnosis: RunDiagnosis;
  steps: [number | null, number | null];
}

export function NothingFound({ diagnosis, steps }: Props) {
  const { t, lang } = useText();
  if (diagnosis.status === "too early") {
    return <Note>{t("causes.early", { count: formatInteger(diagnosis.steps, lang) })}</Note>;
  }
  if (diagnosis.status === "too little recorded") return <Note>{t("causes.little")}</Note>;
  return (
    <Note>
      {t("causes.none", {
        steps: formatSteps(steps[0], steps[1], lang),
        passed: countOutcomes(diagnosis.outcomes, "clear"),
        skipped: countOutcomes(diagnosis.outcomes, "not evaluated"),
      })}
      {gapOf(lang)}
      {diagnosis.status === "nothing found" ? t("causes.few") : null}
    </Note>
  );
}
