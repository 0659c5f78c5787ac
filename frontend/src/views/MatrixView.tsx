/** One matrix with its controls, what stands out in it, and the layer that was picked. */
import { useMemo, useState } from "preact/hooks";
import { paletteOf } from "../charts/palette";
import { currentZoom } from "../charts/zoom";
import { extentOf } from "../data/extent";
import { marksOf } from "../data/findings";
import type { Matrix } from "../data/table";
import { useMatrixInView } from "../data/tables";
import { type Event, eventsOf } from "../heat/events";
import { domainOf, ratioDomain } from "../heat/grid";
import { type Cell, HeatMap, type HeatProps, useHeatOption } from "../heat/HeatMap";
import { heatHeight } from "../heat/heatOption";
import { Legend } from "../heat/Legend";
import { type Colours, SEQUENTIAL } from "../heat/lut";
import { ORDERS, type Order, type Row, rowsOf } from "../heat/rows";
import { overMedian, type Scale } from "../heat/scale";
import { useColourRange } from "../heat/useColourRange";
import { useSpan } from "../heat/useSpan";
import { recall, remember } from "../host/storage";
import { useText } from "../i18n";
import { Export } from "../parts/Export";
import { Pick } from "../parts/Pick";
import { Note } from "../parts/States";
import { formatInteger, formatSteps } from "../text/numbers";
import { readCell } from "./cells";
import type { ViewProps } from "./context";
import { Events } from "./Events";
import { useUnfolded } from "./Gradients";
import { LayerLine } from "./LayerLine";
import { MatrixTable } from "./MatrixTable";
import { RowRange } from "./RowRange";

type Props = ViewProps & { whole: Matrix; scale: Scale; heading: string };

const DEPTHS = ["0", "1", "2", "3", "4"] as const;
const NO_FINDINGS: never[] = [];

function useArrangement(whole: Matrix) {
  const [filter, setFilter] = useState("");
  const [order, setOrder] = useState<Order>("model");
  const [depth, setDepth] = useState<(typeof DEPTHS)[number]>("0");
  const [unfolded, toggle] = useUnfolded();
  const rows = useMemo(
    () => rowsOf(whole, { filter, order, depth: Number(depth), unfolded }),
    [whole, filter, order, depth, unfolded],
  );
  return { filter, setFilter, order, setOrder, depth, setDepth, unfolded, toggle, rows };
}

function Controls(
  props: ReturnType<typeof useArrangement> & { colours: Colours; paint: (c: Colours) => void },
) {
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
      <Pick
        label={t("gradients.order")}
        value={props.order}
        options={ORDERS}
        name={(order) => t(`gradients.order.${order}`)}
        choose={props.setOrder}
      />
      <Pick
        label={t("gradients.fold")}
        value={props.depth}
        options={DEPTHS}
        name={(depth) => (depth === "0" ? t("gradients.unfolded") : t("gradients.depth", { depth }))}
        choose={props.setDepth}
      />
      {[...props.unfolded].map((module) => (
        <button type="button" key={module} onClick={() => props.toggle(module)}>
          {t("gradients.foldAgain", { module })}
        </button>
      ))}
      <Pick
        label={t("gradients.colours")}
        value={props.colours === "diverging" ? "viridis" : props.colours}
        options={SEQUENTIAL}
        name={(name) => t(`colours.${name}`)}
        choose={props.paint}
      />
    </div>
  );
}

/** The colours the user likes, kept; ratios have two directions and their own colours. */
function useColours(scale: Scale): [Colours, (colours: Colours) => void] {
  const [own, setOwn] = useState<Colours>(
    () => SEQUENTIAL.find((name) => name === recall("colours")) ?? "viridis",
  );
  const choose = (colours: Colours) => {
    remember("colours", colours);
    setOwn(colours);
  };
  return [scale === "median" ? "diverging" : own, choose];
}

function summaryOf(whole: Matrix, events: Event[], t: ReturnType<typeof useText>["t"], lang: string): string {
  return t("gradients.summary", {
    layers: formatInteger(whole.columns.length, lang),
    records: formatInteger(whole.records, lang),
    broken: events.filter(({ kind }) => kind !== "spike").length,
    spikes: events.filter(({ kind }) => kind === "spike").length,
  });
}

/** Scaled matrices and their colour range; the recorded numbers stay in `whole` and `fine`. */
function useScaled(whole: Matrix, fine: Matrix | undefined, scale: Scale) {
  const painted = useMemo(() => (scale === "median" ? overMedian(whole) : whole), [whole, scale]);
  const medians = whole.median;
  const closer = useMemo(
    () => (fine && scale === "median" ? overMedian(fine, medians) : fine),
    [fine, medians, scale],
  );
  const domain = useMemo(
    () => (scale === "median" ? ratioDomain(painted.max) : domainOf(painted.max)),
    [painted, scale],
  );
  return { painted, closer, domain };
}

function Saving({ heat, run, heading }: { heat: HeatProps; run: string; heading: string }) {
  const { lang } = useText();
  const option = useHeatOption(heat);
  const [from, to] = currentZoom() ?? heat.extent;
  const sheet = () => ({
    ...{ option, palette: paletteOf(heat.theme), height: heatHeight(heat.rows.length) },
    ...{ extent: heat.extent, zoom: currentZoom() },
    title: `${heading} · ${run} · ${formatSteps(Math.ceil(from), Math.floor(to), lang)}`,
  });
  return <Export name={[run, heading]} sheet={sheet} rows={() => rowsOfMatrix(run, heat.whole, heat.rows)} />;
}

/** One row per cell that holds anything. */
export function rowsOfMatrix(run: string, matrix: Matrix, rows: Row[]): (string | number | null)[][] {
  const head = ["run", "layer", "first_step", "last_step", "max", "flags"];
  const cells = rows.flatMap(({ name, columns }) =>
    columns.flatMap((column) =>
      Array.from({ length: matrix.buckets }, (_, bucket) => {
        const at = column * matrix.buckets + bucket;
        const value = matrix.max[at] ?? NaN;
        const layer = matrix.columns[column] ?? name;
        const steps = [matrix.firstStep[bucket] ?? 0, matrix.lastStep[bucket] ?? 0];
        return [run, layer, ...steps, Number.isFinite(value) ? value : null, matrix.flags[at] ?? 0];
      }),
    ),
  );
  return [head, ...cells];
}

export function MatrixView(props: Props) {
  const { whole, scale, heading, run, place, go, theme } = props;
  const { t, lang } = useText();
  const arrangement = useArrangement(whole);
  const { rows } = arrangement;
  const [span, setSpan] = useSpan(rows);
  const [cell, setCell] = useState<Cell | null>(null);
  const [tabled, setTabled] = useState(false);
  const [colours, paint] = useColours(scale);
  const fine = useMatrixInView(run, whole.quantity, whole.records <= whole.buckets).value;
  const { painted, closer, domain } = useScaled(whole, fine, scale);
  const range = useColourRange(`${whole.quantity} ${scale}`, domain, [painted.max]);
  const events = useMemo(() => eventsOf(whole), [whole]);
  const findings = props.diagnosis.value?.findings ?? NO_FINDINGS;
  const marks = useMemo(() => marksOf(findings), [findings]);
  const extent = useMemo(() => extentOf(run), [run.first_step, run.last_step]);
  const say = (at: Cell) => readCell(fine ?? whole, whole, rows[at.row], at.step, t, lang);
  const open = ({ row }: Cell) => {
    const [name, columns] = [rows[row]?.name ?? "", rows[row]?.columns ?? []];
    if (columns.length > 1) arrangement.toggle(name);
    else go({ layer: name });
  };
  const chosen = place.layer ? whole.columns.indexOf(place.layer) : -1;
  const heat: HeatProps = {
    ...{
      whole: painted,
      fine: closer,
      rows,
      range,
      colours,
      extent,
      marks,
      theme,
      say,
      open,
      span,
      setSpan,
    },
    selected: rows.findIndex((row) => row.columns.length === 1 && row.columns[0] === chosen),
    label: `${heading}: ${run.run}`,
    summary: summaryOf(whole, events, t, lang),
    point: setCell,
    table: () => setTabled(!tabled),
  };
  return (
    <>
      <Controls {...arrangement} colours={colours} paint={paint} />
      <Events events={events} matrix={whole} open={(layer) => go({ layer })} />
      {rows.length === 0 ? (
        <Note>{t("gradients.noMatch")}</Note>
      ) : (
        <>
          <Legend
            range={range}
            unit={scale === "median" ? t("scale.median") : whole.unit}
            colours={colours}
          />
          <HeatMap key={rows.length} {...heat} />
          <RowRange rows={rows.length} span={span} reset={() => setSpan(null)} />
          <p class={cell ? "readout" : "readout muted"}>{cell ? say(cell) : t("gradients.hint")}</p>
          <Saving heat={heat} run={run.run} heading={heading} />
          <MatrixTable
            matrix={whole}
            rows={rows}
            open={tabled}
            toggle={setTabled}
            pick={(layer) => go({ layer })}
          />
        </>
      )}
      {chosen >= 0 ? <LayerLine layer={place.layer ?? ""} {...props} /> : null}
    </>
  );
}
