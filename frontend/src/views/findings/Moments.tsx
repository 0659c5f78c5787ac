/** When a finding was reported while the training ran. */
import type { Finding } from "../../data/types";
import { useText } from "../../i18n";
import { formatInteger } from "../../text/numbers";

export function Moments({ finding }: { finding: Finding }) {
  const { t, lang } = useText();
  if (finding.reported.length === 0) return null;
  return (
    <section>
      <h3>{t("findings.live")}</h3>
      <ul>
        {finding.reported.map(({ state, step, walltime }) => (
          <li key={`${state}-${step}`}>
            {t(state === "cleared" ? "findings.cleared" : "findings.appeared", {
              step: formatInteger(step, lang),
              time: new Date(1000 * walltime).toLocaleString(lang),
            })}
          </li>
        ))}
      </ul>
    </section>
  );
}
