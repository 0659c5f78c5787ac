/** What stands out in a heat map, in words: nobody should have to hunt for one pixel in a million. */

import type { Matrix } from "../../data/table";
import { limited, setZoom } from "../../data/zoom";
import type { Event } from "../../heat/events";
import { useText } from "../../i18n";
import { formatSteps, formatValue } from "../../text/numbers";
import { spoken, times } from "../../text/words";

interface Props {
  events: Event[];
  matrix: Matrix;
  open: (layer: string) => void;
}

/** Buckets on each side that are shown around an event. */
const AROUND = 10;

function zoomTo(matrix: Matrix, { bucket }: Event): void {
  const first = matrix.firstStep[Math.max(0, bucket - AROUND)] ?? 0;
  const last = matrix.lastStep[Math.min(matrix.buckets - 1, bucket + AROUND)] ?? 0;
  const extent = [matrix.firstStep[0] ?? 0, matrix.lastStep[matrix.buckets - 1] ?? 0] as const;
  setZoom(limited([first, last], extent));
}

function Item({ event, matrix, open }: Omit<Props, "events"> & { event: Event }) {
  const { t, lang } = useText();
  const layer = matrix.columns[event.column] ?? "";
  const steps = formatSteps(matrix.firstStep[event.bucket] ?? 0, matrix.lastStep[event.bucket] ?? 0, lang);
  const values = { value: formatValue(event.value, lang), ratio: times(event.ratio, lang) };
  const words =
    event.kind === "spike"
      ? t("events.spike", { ...values })
      : t(event.kind === "nan" ? "heat.nan" : "heat.inf");
  const act = () => {
    zoomTo(matrix, event);
    open(layer);
  };
  return (
    <li>
      <button type="button" onClick={act}>
        <span class={event.kind === "spike" ? "severity-warning" : "severity-error"} aria-hidden="true">
          {event.kind === "spike" ? "▲" : "◆"}
        </span>{" "}
        {words} · {spoken(layer)} · {t("causes.steps", { steps })}
      </button>
    </li>
  );
}

export function Events({ events, matrix, open }: Props) {
  const { t } = useText();
  if (events.length === 0) return <p class="muted">{t("events.none")}</p>;
  return (
    <ul class="events" aria-label={t("events.heading")}>
      {events.map((event) => (
        <Item key={`${event.kind}${event.column}`} event={event} matrix={matrix} open={open} />
      ))}
    </ul>
  );
}
