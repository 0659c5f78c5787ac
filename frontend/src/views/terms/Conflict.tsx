/** Which loss terms pull against each other: the cosine between their gradients, as a matrix and over the steps. */

import { useMemo, useState } from "preact/hooks";
import { lineOf } from "../../charts/series";
import { extentOf } from "../../data/extent";
import { columnAt, columnNamed, type Table } from "../../data/table";
import { useText } from "../../i18n";
import { LinePlot } from "../../parts/LinePlot";
import { Scroll } from "../../parts/Scroll";
import { Missing } from "../../parts/States";
import { formatSteps, formatValue } from "../../text/numbers";
import type { ViewProps } from "../context";

type Props = Pick<ViewProps, "run" | "theme"> & { table: Table | undefined };

const SIGN = " × ";
const RANGE: [number, number] = [-1, 1];
/** Below this two terms oppose each other (PCGrad, arXiv 2001.06782, calls any negative cosine a conflict; noise is smaller). */
const OPPOSES = -0.3;

function medianOf(values: Float32Array): number {
  const finite = [...values].filter(Number.isFinite).sort((a, b) => a - b);
  const middle = finite.length >> 1;
  if (finite.length % 2 === 1) return finite[middle] ?? NaN;
  return ((finite[middle - 1] ?? NaN) + (finite[middle] ?? NaN)) / 2;
}

export interface Cosines {
  terms: string[];
  /** Median cosine of two terms and the column it is of. */
  of: (a: string, b: string) => { value: number; column: string } | null;
}

/** The pairs of a table as a matrix; terms in their own order. */
export function cosinesOf(table: Table): Cosines {
  const found = new Map<string, { value: number; column: string }>();
  const terms = new Set<string>();
  table.columns.forEach((column, index) => {
    const [a, b] = column.split(SIGN);
    if (a === undefined || b === undefined) return;
    terms.add(a).add(b);
    const entry = { value: medianOf(columnAt(table, index).last), column };
    found.set(JSON.stringify([a, b]), entry).set(JSON.stringify([b, a]), entry);
  });
  return { terms: [...terms], of: (a, b) => found.get(JSON.stringify([a, b])) ?? null };
}

/** Orange against, blue along, as warnings are warm; the number and a sign say the same. */
export function shade(value: number): string {
  const strength = Math.round(Math.min(1, Math.abs(value)) * 45);
  const hue = value < 0 ? "#e66101" : "#2c7fb8";
  return `color-mix(in srgb, ${hue} ${strength}%, var(--page))`;
}

function Cell({
  cosine,
  pick,
  open,
}: {
  cosine: ReturnType<Cosines["of"]>;
  pick: (c: string) => void;
  open: string;
}) {
  const { t, lang } = useText();
  if (!cosine) return <td class="number muted">–</td>;
  const { value, column } = cosine;
  return (
    <td class="number" style={{ background: shade(value) }}>
      <button type="button" class="plain" aria-pressed={open === column} onClick={() => pick(column)}>
        {formatValue(Number(value.toFixed(2)), lang)}
        {value < OPPOSES ? ` ▼ ${t("conflict.opposes")}` : ""}
      </button>
    </td>
  );
}

const SCALE = [-1, -0.5, 0, 0.5, 1];

/** What the colours of the cells mean. */
function Scale() {
  const { t, lang } = useText();
  return (
    <p class="cosine-scale">
      {t("conflict.against")}
      {SCALE.map((value) => (
        <span key={value} style={{ background: shade(value) }}>
          {formatValue(value, lang)}
        </span>
      ))}
      {t("conflict.along")}
    </p>
  );
}

function Drawn({ table, run, theme }: Props & { table: Table }) {
  const { t, lang } = useText();
  const cosines = useMemo(() => cosinesOf(table), [table]);
  const [open, pick] = useState("");
  const column = columnNamed(table, open);
  const lines = useMemo(() => (column ? [lineOf(open, column)] : []), [table, open]);
  const steps = formatSteps(table.firstStep[0] ?? null, table.lastStep[table.buckets - 1] ?? null, lang);
  return (
    <>
      <p class="muted">{t("conflict.explain", { steps })}</p>
      <Scale />
      <Scroll label={t("conflict.heading")}>
        <table class="conflict">
          <thead>
            <tr>
              <td />
              {cosines.terms.map((term) => (
                <th scope="col" key={term}>
                  {term}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {cosines.terms.map((a) => (
              <tr key={a}>
                <th scope="row">{a}</th>
                {cosines.terms.map((b) => (
                  <Cell key={b} cosine={a === b ? null : cosines.of(a, b)} pick={pick} open={open} />
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      {lines.length > 0 ? (
        <LinePlot
          key={open}
          lines={lines}
          theme={theme}
          label={t("conflict.of", { pair: open })}
          about={run.run}
          extent={extentOf(run)}
          height={180}
          bounds={RANGE}
          thresholds={[{ value: 0, label: "0" }]}
        />
      ) : null}
    </>
  );
}

export function Conflict({ table, ...props }: Props) {
  const { t } = useText();
  const empty = !table || table.columns.length === 0 || table.buckets === 0;
  return (
    <section>
      <h3>{t("conflict.heading")}</h3>
      {empty ? <Missing quantity="term_cosine" /> : <Drawn {...props} table={table} />}
    </section>
  );
}
