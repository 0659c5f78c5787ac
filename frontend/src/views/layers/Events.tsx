/** What stands out in a heat map, in words: nobody should have to hunt for one pixel in a million. */

import { idOf, severityOf } from "../../data/findings";
import type { Matrix } from "../../data/table";
import type { Finding } from "../../data/types";
import { limited, setZoom } from "../../data/zoom";
import type { Moment } from "../../heat/events";
import type { Place } from "../../host/hash";
import type { Go } from "../../host/place";
import { useText } from "../../i18n";
import { PlaceLink } from "../../parts/PlaceLink";
import { SeverityMark } from "../../parts/Status";
import { formatInteger, formatSteps, formatValue } from "../../text/numbers";
import { spoken, times } from "../../text/words";

interface Props {
  moments: Moment[];
  matrix: Matrix;
  open: (layer: string) => void;
  /** Findings about layers of this map. */
  findings: Finding[];
  place: Place;
  go: Go;
}

/** Buckets on each side that are shown around an event. */
const AROUND = 10;

function zoomTo(matrix: Matrix, { bucket }: Moment): void {
  const first = matrix.firstStep[Math.max(0, bucket - AROUND)] ?? 0;
  const last = matrix.lastStep[Math.min(matrix.buckets - 1, bucket + AROUND)] ?? 0;
  const extent = [matrix.firstStep[0] ?? 0, matrix.lastStep[matrix.buckets - 1] ?? 0] as const;
  setZoom(limited([first, last], extent));
}

/** "NaN or overflow · 149 of 149 layers", or the layer's name where it is one alone. */
function useWords({ moment, matrix }: { moment: Moment; matrix: Matrix }): string {
  const { t, lang } = useText();
  const layer = spoken(matrix.columns[moment.column] ?? "");
  const [least, most] = [times(moment.least, lang), times(moment.ratio, lang)];
  const ratio = least === most ? most : `${least} – ${most}`;
  const what =
    moment.kind === "spike"
      ? t("events.spike", { value: formatValue(moment.value, lang), ratio })
      : t(moment.kind === "nan" ? "heat.nan" : "heat.inf");
  if (moment.layers === 1) return `${what} · ${layer}`;
  const numbers = {
    count: formatInteger(moment.layers, lang),
    all: formatInteger(matrix.columns.length, lang),
  };
  return `${what} · ${t(moment.kind === "spike" ? "events.mostOf" : "events.firstOf", { ...numbers, layer })}`;
}

function Item({ moment, matrix, open }: Pick<Props, "matrix" | "open"> & { moment: Moment }) {
  const { t, lang } = useText();
  const words = useWords({ moment, matrix });
  const [first, last] = [matrix.firstStep[moment.bucket] ?? 0, matrix.lastStep[moment.bucket] ?? 0];
  const steps = formatSteps(first, last, lang);
  const act = () => {
    zoomTo(matrix, moment);
    open(matrix.columns[moment.column] ?? "");
  };
  return (
    <li>
      <button type="button" onClick={act}>
        <span class={moment.kind === "spike" ? "severity-warning" : "severity-error"} aria-hidden="true">
          {moment.kind === "spike" ? "▲" : "◆"}
        </span>{" "}
        {t("chart.of", { what: t(first === last ? "causes.step" : "causes.steps", { steps }), which: words })}
      </button>
    </li>
  );
}

export function Events({ moments, matrix, open, findings, place, go }: Props) {
  const { t } = useText();
  return (
    <ul class="events" aria-label={t("events.heading")}>
      {findings.map((finding) => (
        <li key={idOf(finding)}>
          <PlaceLink class="event-link" place={place} change={{ view: "findings", f: idOf(finding) }} go={go}>
            <SeverityMark severity={severityOf(finding)} /> {finding.code} {finding.title}
          </PlaceLink>
        </li>
      ))}
      {moments.map((moment) => (
        <Item key={`${moment.kind}${moment.column}`} moment={moment} matrix={matrix} open={open} />
      ))}
      {moments.length === 0 ? <li class="muted">{t("events.none")}</li> : null}
    </ul>
  );
}
