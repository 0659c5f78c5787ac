/** One lane per finding over the run's steps; each lane is a link to its finding. */
import { idOf } from "../../data/findings";
import type { Finding, RunSummary } from "../../data/types";
import type { Place } from "../../host/hash";
import type { Go } from "../../host/place";
import { useText } from "../../i18n";
import { PlaceLink } from "../../parts/PlaceLink";
import { spanStart } from "../../text/spans";

interface Props {
  run: RunSummary;
  findings: Finding[];
  place: Place;
  go: Go;
}

/** Left edge and width of a finding's bar in percent of the run; never too narrow to see. */
export function barOf(finding: Finding, first: number, last: number): { left: number; width: number } {
  const span = Math.max(1, last - first);
  const clamp = (value: number) => Math.min(100, Math.max(0, value));
  const left = clamp(((finding.first_step - first) / span) * 100);
  const right = clamp(((finding.last_step - first) / span) * 100);
  const width = Math.max(1.5, right - left);
  return { left: Math.min(left, 100 - width), width };
}

export function Lanes({ run, findings, place, go }: Props) {
  const { t, lang } = useText();
  return (
    <section class="lanes">
      <h2>{t("lanes.heading")}</h2>
      <ul>
        {findings.map((finding) => {
          const { left, width } = barOf(finding, run.first_step ?? 0, run.last_step ?? 1);
          return (
            <li key={idOf(finding)}>
              <PlaceLink place={place} change={{ view: "findings", f: idOf(finding) }} go={go}>
                <span class="lane-name">
                  {finding.code} {finding.title}
                </span>
                <span class="lane">
                  <span
                    class={`lane-bar fill-${finding.severity}`}
                    style={{ left: `${left}%`, width: `${width}%` }}
                  />
                </span>
                <span class="muted">{spanStart(t, lang, finding.first_step, finding.last_step)}</span>
              </PlaceLink>
            </li>
          );
        })}
      </ul>
    </section>
  );
}
