/** Words with glyphs for states and severities: shape and word, never colour alone. */
import type { Severity, Status } from "../data/types";
import { useText } from "../i18n";

const STATUS: Record<Status, string> = {
  broken: "■",
  warning: "▲",
  healthy: "✓",
  "nothing found": "○",
  "too early": "?",
  "too little recorded": "?",
  unreadable: "✕",
  reading: "…",
};
const SEVERITY: Record<Severity, string> = { error: "■", warning: "▲", info: "●" };

export const SEVERITIES = ["error", "warning", "info"] as const;

export function StatusChip({ status }: { status: Status }) {
  const { t } = useText();
  return (
    <span class={`chip status-${status.replaceAll(" ", "-")}`}>
      <span aria-hidden="true">{STATUS[status]} </span>
      {t(`status.${status}`)}
    </span>
  );
}

export function SeverityMark({ severity }: { severity: Severity }) {
  const { t } = useText();
  return (
    <span class={`severity severity-${severity}`}>
      <span aria-hidden="true">{SEVERITY[severity]} </span>
      {t(`severity.${severity}`)}
    </span>
  );
}

/** "2■ 3▲ 1●" with words for screen readers. */
export function Counts({ counts }: { counts: Record<Severity, number> }) {
  const { t } = useText();
  return (
    <span class="counts">
      {SEVERITIES.map((severity) => (
        <span class={`severity-${severity}`} key={severity} title={t(`severity.${severity}`)}>
          {counts[severity]}
          <span aria-hidden="true">{SEVERITY[severity]} </span>
          <span class="unseen">{t(`severity.${severity}`)} </span>
        </span>
      ))}
    </span>
  );
}
