/** Gradient norms as a heat map of layers over steps; a layer that is picked shows its line below. */
import { useMemo, useState } from "preact/hooks";
import type { Table } from "../data/table";
import { useTables } from "../data/tables";
import { type Cell, HeatMap } from "../heat/HeatMap";
import { Legend } from "../heat/Legend";
import { lookOf } from "../heat/painter";
import { domainFor } from "../heat/surface";
import { useText } from "../i18n";
import { Loaded, Missing, Note } from "../parts/States";
import { formatSteps, formatValue } from "../text/numbers";
import type { ViewProps } from "./context";
import { LayerLine } from "./LayerLine";
import { type Order, rowsOf } from "./rows";

function Controls(props: {
  filter: string;
  order: Order;
  setFilter: (f: string) => void;
  setOrder: (o: Order) => void;
}) {
  const { t } = useText();
  return (
    <div class="controls">
      <label>
        {t("gradients.filter")}{" "}
        <input
          type="search"
          value={props.filter}
          onInput={(event) => props.setFilter(event.currentTarget.value)}
        />
      </label>
      <label>
        {t("gradients.order")}{" "}
        <select
          value={props.order}
          onChange={(event) => props.setOrder(event.currentTarget.value === "worst" ? "worst" : "model")}
        >
          <option value="model">{t("gradients.order.model")}</option>
          <option value="worst">{t("gradients.order.worst")}</option>
        </select>
      </label>
    </div>
  );
}

/** What is under the cursor, in words. */
function Readout({ table, rows, cell }: { table: Table; rows: number[]; cell: Cell | null }) {
  const { t, lang } = useText();
  const column = cell ? rows[cell.row] : undefined;
  if (!cell || column === undefined) return <p class="readout muted">{t("gradients.hint")}</p>;
  const at = column * table.buckets + cell.bucket;
  const layer = table.columns[column] ?? "";
  const steps = formatSteps(table.firstStep[cell.bucket] ?? 0, table.lastStep[cell.bucket] ?? 0, lang);
  const look = lookOf(table.flags[at] ?? 0);
  const text =
    look === "value"
      ? t("gradients.readout", {
          layer,
          steps,
          max: formatValue(table.max[at] ?? null, lang),
          last: formatValue(table.last[at] ?? null, lang),
        })
      : t("gradients.special", { layer, steps, what: t(`heat.${look}`) });
  return (
    <p class="readout" aria-live="polite">
      {text}
    </p>
  );
}

function Matrix({ table, ...props }: ViewProps & { table: Table }) {
  const { place, go, theme } = props;
  const { t } = useText();
  const [filter, setFilter] = useState("");
  const [order, setOrder] = useState<Order>("model");
  const [cell, setCell] = useState<Cell | null>(null);
  const rows = useMemo(() => rowsOf(table, filter, order), [table, filter, order]);
  const domain = useMemo(() => domainFor(table, rows), [table, rows]);
  const chosen = place.layer ? table.columns.indexOf(place.layer) : -1;
  const open = ({ row }: Cell) => go({ layer: table.columns[rows[row] ?? -1] ?? "" });
  return (
    <>
      <Controls filter={filter} order={order} setFilter={setFilter} setOrder={setOrder} />
      {rows.length === 0 ? (
        <Note>{t("gradients.noMatch")}</Note>
      ) : (
        <>
          <Legend domain={domain} unit={table.unit} />
          <HeatMap
            key={rows.length}
            table={table}
            rows={rows}
            domain={domain}
            theme={theme}
            selected={rows.indexOf(chosen)}
            label={t("gradients.heading")}
            point={setCell}
            open={open}
          />
          <Readout table={table} rows={rows} cell={cell} />
        </>
      )}
      {chosen >= 0 ? <LayerLine table={table} column={chosen} {...props} /> : null}
    </>
  );
}

export function Gradients(props: ViewProps) {
  const { t } = useText();
  const tables = useTables(props.run, ["gradient_norm"]);
  return (
    <section>
      <h2>{t("gradients.heading")}</h2>
      <Loaded resource={tables} what={t("gradients.heading")}>
        {(loaded) => {
          const table = loaded.get("gradient_norm");
          if (!table || table.buckets === 0) return <Missing text="missing.gradients" />;
          return <Matrix {...props} table={table} />;
        }}
      </Loaded>
    </section>
  );
}
