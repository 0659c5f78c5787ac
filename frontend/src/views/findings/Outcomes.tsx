/** Checks that passed, could not be evaluated (with what is missing) or failed to run. "Passed" is earned, so it is listed. */
import type { Outcome, OutcomeKind, Unlock } from "../../data/types";
import { type Key, useText } from "../../i18n";

const KINDS: [OutcomeKind, Key][] = [
  ["clear", "findings.passed"],
  ["not evaluated", "findings.skipped"],
  ["failed", "findings.failed"],
];

function Row({ outcome }: { outcome: Outcome }) {
  const { t } = useText();
  const missing =
    outcome.missing.length > 0 ? t("findings.missing", { missing: outcome.missing.join(", ") }) : "";
  return (
    <li>
      {outcome.code} {outcome.name}
      {outcome.reason || missing ? <div class="muted">{outcome.reason || missing}</div> : null}
    </li>
  );
}

function Unlocks({ unlocks }: { unlocks: Unlock[] }) {
  const { t } = useText();
  return (
    <ul class="muted">
      {unlocks.map(({ how, rules }) => (
        <li key={how} title={rules.join(", ")}>
          {t("findings.unlock", { how, count: rules.length })}
        </li>
      ))}
    </ul>
  );
}

export function Outcomes({ outcomes, unlocks }: { outcomes: Outcome[]; unlocks: Unlock[] }) {
  const { t } = useText();
  return (
    <>
      {KINDS.map(([kind, title]) => {
        const some = outcomes.filter(({ outcome }) => outcome === kind);
        if (some.length === 0) return null;
        return (
          <details key={kind} class="outcomes">
            <summary>{t(title, { count: some.length })}</summary>
            {kind === "not evaluated" ? <Unlocks unlocks={unlocks} /> : null}
            <ul>
              {some.map((outcome) => (
                <Row key={outcome.code} outcome={outcome} />
              ))}
            </ul>
          </details>
        );
      })}
    </>
  );
}
