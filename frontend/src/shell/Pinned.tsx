/** Pinned charts above the view: the same curves of whichever run is looked at. */
import { useMemo, useState } from "preact/hooks";
import { lineOf } from "../charts/series";
import { extentOf } from "../data/extent";
import { type Pin, pinName, togglePin, usePins } from "../data/pins";
import { columnAt, columnNamed } from "../data/table";
import { useColumns } from "../data/tables";
import type { Restart, RunSummary } from "../data/types";
import { recall, remember } from "../host/storage";
import type { Theme } from "../host/theme";
import { useText } from "../i18n";
import { Folded } from "../parts/Folded";
import { LinePlot } from "../parts/LinePlot";
import { Loaded } from "../parts/States";
import { useQuantityName } from "../text/quantities";
import { capital } from "../text/words";
import { brokenAt } from "../views/overview/LossChart";

interface Props {
  run: RunSummary;
  restarts: readonly Restart[];
  theme: Theme;
}

const HEIGHT = 140;

function Card({ pin, run, restarts, theme }: Props & { pin: Pin }) {
  const { t, lang } = useText();
  const nameOf = useQuantityName();
  const { quantities, column } = pin;
  const tables = useColumns(run, quantities, column);
  const lines = useMemo(
    () =>
      quantities.flatMap((quantity) => {
        const table = tables.value?.get(quantity);
        if (!table || table.columns.length === 0) return [];
        const own = column === "" ? columnAt(table, 0) : columnNamed(table, column);
        return own ? [brokenAt(lineOf(nameOf(quantity), own), restarts)] : [];
      }),
    [tables.value, restarts, lang],
  );
  const what = capital([quantities.map(nameOf).join(", "), column].filter(Boolean).join(" · "));
  return (
    <section class="pinned-card">
      <h3>
        <span title={what}>{what}</span>{" "}
        <button
          type="button"
          class="plain"
          onClick={() => togglePin(pin)}
          aria-label={t("pins.unpin", { what })}
        >
          ×
        </button>
      </h3>
      <Loaded resource={tables} what={what}>
        {() =>
          lines.length === 0 ? (
            <p class="muted">{t("pins.absent")}</p>
          ) : (
            <LinePlot
              {...{ lines, theme, pin }}
              label={what}
              title=""
              about={run.run}
              extent={extentOf(run)}
              height={HEIGHT}
            />
          )
        }
      </Loaded>
    </section>
  );
}

const FOLDED = "pins folded";

export function Pinned(props: Props) {
  const { t } = useText();
  const pins = usePins();
  const [open, setOpen] = useState(recall(FOLDED) !== "yes");
  if (pins.length === 0) return null;
  const toggle = (next: boolean) => {
    remember(FOLDED, next ? "" : "yes");
    setOpen(next);
  };
  return (
    <section class="pinned" aria-label={t("pins.heading", { count: pins.length })}>
      <Folded title={t("pins.heading", { count: pins.length })} open={open} toggle={toggle}>
        <div class="pinned-cards">
          {pins.map((pin) => (
            <Card key={pinName(pin)} pin={pin} {...props} />
          ))}
        </div>
      </Folded>
    </section>
  );
}
