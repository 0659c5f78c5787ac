/** Activations and updates: a table of layers to be sorted by what is worst, and the picked one's curves. */

import { useMemo, useState } from "preact/hooks";
import { type Column, columnAt, Flag, type Table } from "../../data/table";
import { type Tables, useTables } from "../../data/tables";
import { type Key, type T, useText } from "../../i18n";
import { Scroll } from "../../parts/Scroll";
import { SortHead, type Sorting } from "../../parts/SortHead";
import { Spark } from "../../parts/Spark";
import { Loaded, Missing } from "../../parts/States";
import { formatInteger, formatPercent, formatValue } from "../../text/numbers";
import { capital } from "../../text/words";
import type { ViewProps } from "../context";
import { LayerLine } from "../layers/LayerLine";

const MODULES = [
  "dead_share",
  "saturated_share",
  "zero_share",
  "activation_mean",
  "activation_std",
  "activation_abs_max",
  "activation_nonfinite",
  "activation_variation",
  "effective_rank",
] as const;
const PARAMETERS = [
  "update_ratio",
  "update_norm",
  "parameter_norm",
  "gradient_norm",
  "gradient_zero_share",
] as const;
const SHARES: ReadonlySet<string> = new Set([
  "dead_share",
  "saturated_share",
  "zero_share",
  "gradient_zero_share",
]);
const SHOWN = 50;
/** Enough for a curve as small as a word. */
const SPARK_POINTS = 60;

/** The newest value of a column that is one; NaN and Inf stay what they are. */
export function newest(column: Column): number | null {
  const bad = Flag.nan | Flag.plusInf | Flag.minusInf;
  for (let bucket = column.flags.length - 1; bucket >= 0; bucket--) {
    const flags = column.flags[bucket] ?? Flag.absent;
    if (flags & bad) return flags & Flag.nan ? NaN : Number.POSITIVE_INFINITY;
    if ((flags & Flag.absent) === 0) return column.last[bucket] ?? null;
  }
  return null;
}

interface LayerEntry {
  name: string;
  order: number;
  columns: Map<string, Column>;
  values: Map<string, number | null>;
}

/** One entry per layer that any of the tables has, in the model's order. */
export function layersOf(tables: Tables, quantities: readonly string[]): LayerEntry[] {
  const entries = new Map<string, LayerEntry>();
  for (const quantity of quantities) {
    const table = tables.get(quantity);
    table?.columns.forEach((name, index) => {
      const known = entries.get(name);
      const entry = known ?? { name, order: entries.size, columns: new Map(), values: new Map() };
      const column = columnAt(table as Table, index);
      entry.columns.set(quantity, column);
      entry.values.set(quantity, newest(column));
      entries.set(name, entry);
    });
  }
  return [...entries.values()];
}

/** Not a number is worse than everything, nothing recorded comes last. */
export function sorted(entries: LayerEntry[], { by, down }: Sorting): LayerEntry[] {
  const weight = (entry: LayerEntry) => {
    if (by === "layer") return entry.order;
    const value = entry.values.get(by);
    if (value === null || value === undefined) return null;
    return Number.isNaN(value) ? Number.POSITIVE_INFINITY : value;
  };
  return [...entries].sort((a, b) => {
    const [left, right] = [weight(a), weight(b)];
    if (left === null || right === null) return left === right ? 0 : left === null ? 1 : -1;
    if (left === right) return a.order - b.order;
    return (left - right) * (down ? -1 : 1);
  });
}

function headOf(name: string, t: T): string {
  return name === "layer" ? t("table.layer") : capital(t(`stat.${name}` as Key));
}

function Value({ quantity, entry }: { quantity: string; entry: LayerEntry }) {
  const { lang } = useText();
  const value = entry.values.get(quantity);
  const column = entry.columns.get(quantity);
  if (value === undefined || value === null) return <td class="number muted">–</td>;
  const text = SHARES.has(quantity) ? formatPercent(value, lang) : formatValue(value, lang);
  return (
    <td class="number">
      {text} {column ? <Spark column={column} /> : null}
    </td>
  );
}

interface TableProps extends ViewProps {
  tables: Tables;
  quantities: readonly string[];
  heading: string;
}

function LayerTable({ tables, quantities, heading, place, go }: TableProps) {
  const { t, lang } = useText();
  const present = quantities.filter((quantity) => tables.has(quantity));
  const entries = useMemo(() => layersOf(tables, quantities), [tables]);
  const [sorting, setSorting] = useState<Sorting>({ by: "layer", down: false });
  const [all, setAll] = useState(false);
  const sort = (by: string) =>
    setSorting((old) => ({ by, down: old.by === by ? !old.down : by !== "layer" }));
  const rows = useMemo(() => sorted(entries, sorting), [entries, sorting]);
  return (
    <>
      <Scroll label={heading}>
        <table class="layers">
          <thead>
            <tr>
              {["layer", ...present].map((name) => (
                <SortHead key={name} name={name} text={headOf(name, t)} sorting={sorting} sort={sort} />
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.slice(0, all ? rows.length : SHOWN).map((entry) => (
              <tr key={entry.name} class={place.layer === entry.name ? "selected" : ""}>
                <th scope="row">
                  <button type="button" class="plain" onClick={() => go({ layer: entry.name })}>
                    {entry.name}
                  </button>
                </th>
                {present.map((quantity) => (
                  <Value key={quantity} quantity={quantity} entry={entry} />
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      {rows.length > SHOWN && !all ? (
        <button type="button" onClick={() => setAll(true)}>
          {t("table.all", { count: formatInteger(rows.length, lang) })}
        </button>
      ) : null}
    </>
  );
}

function Part(props: ViewProps & { quantities: readonly string[]; heading: Key; explain: Key }) {
  const { run, quantities } = props;
  const { t } = useText();
  const tables = useTables(run, quantities, SPARK_POINTS);
  const heading = t(props.heading);
  const first = quantities[0] ?? "";
  return (
    <section>
      <h2>{heading}</h2>
      <p class="muted">{t(props.explain)}</p>
      {quantities.some((quantity) => run.quantities.includes(quantity)) ? (
        <Loaded resource={tables} what={heading}>
          {(loaded) => <LayerTable {...props} tables={loaded} heading={heading} />}
        </Loaded>
      ) : (
        <Missing quantity={first} />
      )}
    </section>
  );
}

export function Activations(props: ViewProps) {
  return (
    <>
      {props.place.layer ? <LayerLine {...props} layer={props.place.layer} /> : null}
      <Part {...props} quantities={MODULES} heading="activations.heading" explain="activations.explain" />
      <Part {...props} quantities={PARAMETERS} heading="updates.heading" explain="updates.explain" />
    </>
  );
}
