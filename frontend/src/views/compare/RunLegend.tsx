/** What runs are called for short, each with its colour: one legend for all their charts. */
import { useContext } from "preact/hooks";
import type { RunSummary } from "../../data/types";
import { useText } from "../../i18n";
import { RunColours } from "./colours";
import { LETTERS } from "./compared";

export function RunLetter({ at }: { at: number }) {
  const borderColor = useContext(RunColours)[at] ?? "currentColor";
  return (
    <strong class="run-colour" style={{ borderColor }}>
      {LETTERS[at]}
    </strong>
  );
}

export function RunLegend({ chosen }: { chosen: RunSummary[] }) {
  const { t } = useText();
  return (
    <ul class="run-legend" aria-label={t("compare.legend")}>
      {chosen.map(({ run }, at) => (
        <li key={run}>
          <RunLetter at={at} /> {run}
        </li>
      ))}
    </ul>
  );
}
