/** When findings were reported while the training ran, also of those that are not found any more. */
import { pastReports } from "../../data/findings";
import type { Finding, Moment, RunDiagnosis } from "../../data/types";
import { useText } from "../../i18n";
import { momentOf } from "../../text/age";
import { formatInteger } from "../../text/numbers";

function MomentList({ moments }: { moments: Moment[] }) {
  const { t, lang } = useText();
  return (
    <ul>
      {moments.map(({ state, step, walltime }) => (
        <li key={`${state}-${step}`}>
          {t(state === "cleared" ? "findings.cleared" : "findings.appeared", {
            step: formatInteger(step, lang),
            time: momentOf(walltime, lang),
          })}
        </li>
      ))}
    </ul>
  );
}

export function Moments({ finding }: { finding: Finding }) {
  const { t } = useText();
  if (finding.reported.length === 0) return null;
  return (
    <section>
      <h3>{t("findings.live")}</h3>
      <MomentList moments={finding.reported} />
    </section>
  );
}

export function PastReports({ diagnosis }: { diagnosis: RunDiagnosis }) {
  const { t } = useText();
  const past = pastReports(diagnosis);
  if (past.length === 0) return null;
  return (
    <details class="outcomes">
      <summary>{t("findings.past", { count: past.length })}</summary>
      <ul>
        {past.map((moments) => (
          <li key={`${moments[0]?.code} ${moments[0]?.subject}`}>
            {moments[0]?.code} <span class="muted">{moments[0]?.subject}</span>
            <MomentList moments={moments} />
          </li>
        ))}
      </ul>
    </details>
  );
}
