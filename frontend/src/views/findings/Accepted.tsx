/** Findings that somebody has accepted in the configuration, with the reason they gave. */
import type { Accepted as AcceptedFinding } from "../../data/types";
import { useText } from "../../i18n";
import { Sentence } from "../../parts/Markdown";

export function Accepted({ findings }: { findings: AcceptedFinding[] }) {
  const { t } = useText();
  if (findings.length === 0) return null;
  return (
    <details class="outcomes">
      <summary>{t("findings.accepted", { count: findings.length })}</summary>
      <ul>
        {findings.map((finding) => (
          <li key={`${finding.code} ${finding.subject}`}>
            {finding.code} {finding.title} <span class="muted">{finding.subject}</span>
            <div>
              <Sentence text={finding.message} />
            </div>
            <div class="muted">{t("findings.reason", { reason: finding.reason })}</div>
          </li>
        ))}
      </ul>
    </details>
  );
}
