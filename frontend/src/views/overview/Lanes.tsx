/** One lane per finding under the loss, on the same axis; each lane is a link to its finding. */
import { idOf, severityOf, worstFirst } from "../../data/findings";
import type { Finding, RunSummary } from "../../data/types";
import { type Range, useSettledZoom } from "../../data/zoom";
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

/** Lanes under the loss: what is more is in the list of findings. */
const SHOWN = 6;
const QUIET_MS = 60;

interface Bar {
  left: number;
  width: number;
  /** Where it was still so when it was last looked at: how far the view goes on after that. */
  rest: number;
}

/** A finding's bar in percent of the steps in view; never too narrow to see, null outside of the view. */
export function barOf(finding: Finding, [first, last]: Range): Bar | null {
  if (finding.last_step < first || finding.first_step > last) return null;
  const span = Math.max(1, last - first);
  const clamp = (value: number) => Math.min(100, Math.max(0, value));
  const left = clamp(((finding.first_step - first) / span) * 100);
  const right = clamp(((finding.last_step - first) / span) * 100);
  const width = Math.max(0.6, right - left);
  const start = Math.min(left, 100 - width);
  return { left: start, width, rest: finding.ongoing ? Math.max(0, 100 - start - width) : 0 };
}

function Lane({
  finding,
  range,
  place,
  go,
}: Omit<Props, "run" | "findings"> & { finding: Finding; range: Range }) {
  const { t, lang } = useText();
  const severity = severityOf(finding);
  const bar = barOf(finding, range);
  const steps = spanStart(t, lang, finding.first_step, finding.last_step);
  const since = bar && bar.rest > 1 ? ` · ${t("lanes.notSince")}` : "";
  return (
    <li title={`${finding.title} · ${steps}${since}`}>
      <PlaceLink place={place} change={{ view: "findings", f: idOf(finding) }} go={go}>
        <span class={`lane-name severity-${severity}`}>{finding.code}</span>
        <span class="lane">
          {bar ? (
            <>
              <span
                class={`lane-bar fill-${severity}`}
                style={{ left: `${bar.left}%`, width: `${bar.width}%` }}
              />
              <span
                class={`lane-rest fill-${severity}`}
                style={{ left: `${bar.left + bar.width}%`, width: `${bar.rest}%` }}
              />
            </>
          ) : null}
        </span>
        <span class="unseen">
          {finding.title}, {steps}
          {since}
        </span>
      </PlaceLink>
    </li>
  );
}

export function Lanes({ run, findings, place, go }: Props) {
  const { t } = useText();
  const zoom = useSettledZoom(QUIET_MS);
  const first = run.first_step ?? 0;
  const range: Range = zoom ?? [first, Math.max(run.last_step ?? 1, first + 1)];
  return (
    <ul class="lanes" aria-label={t("lanes.heading")}>
      {worstFirst(findings)
        .slice(0, SHOWN)
        .map((finding) => (
          <Lane key={idOf(finding)} {...{ finding, range, place, go }} />
        ))}
    </ul>
  );
}
