/** One matrix with its controls, what stands out in it, and the layer that was picked. */
import type { ComponentChildren } from "preact";
import { useMemo, useState } from "preact/hooks";
import { extentOf } from "../../data/extent";
import { marksOf } from "../../data/findings";
import type { Matrix } from "../../data/table";
import { useMatrixInView } from "../../data/tables";
import { type Moment, momentsOf } from "../../heat/events";
import { domainOf, ratioDomain } from "../../heat/grid";
import { type Cell, HeatMap, type HeatProps } from "../../heat/HeatMap";
import { Legend } from "../../heat/Legend";
import { prefixOf } from "../../heat/labels";
import { type Colours, SEQUENTIAL } from "../../heat/lut";
import { automaticDepth, matches, ORDERS, type Order, rowsOf } from "../../heat/rows";
import { overMedian, type Scale } from "../../heat/scale";
import { seenIn } from "../../heat/seen";
import { useColourRange } from "../../heat/useColourRange";
import { useSpan } from "../../heat/useSpan";
import { recall, remember } from "../../host/storage";
import { useText } from "../../i18n";
import { Menu } from "../../parts/Menu";
import { Pick } from "../../parts/Pick";
import { Note } from "../../parts/States";
import { formatInteger } from "../../text/numbers";
import { unitName } from "../../text/units";
import type { ViewProps } from "../context";
import { badgesOf, findingsIn } from "./about";
import { readCell } from "./cells";
import { Distribution } from "./Distribution";
import { Events } from "./Events";
import { LayerLine } from "./LayerLine";
import { MatrixTable } from "./MatrixTable";
import { RowRange } from "./RowRange";
import { SaveHeat } from "./SaveHeat";
import { Spread } from "./Spread";

type Props = ViewProps & {
  whole: Matrix;
  scale: Scale;
  heading: string;
  /** The choice of what is shown, which stands in the same line as the rest. */
  children: ComponentChildren;
};

const DEPTHS = ["auto", "0", "1", "2", "3", "4"] as const;
const NO_FINDINGS: never[] = [];

/** The modules whose parameters have rows of their own, and the switch for one. */
function useUnfolded(): [ReadonlySet<string>, (module: string) => void] {
  const [unfolded, setUnfolded] = useState<ReadonlySet<string>>(new Set());
  const toggle = (module: string) =>
    setUnfolded((old) => {
      const next = new Set(old);
      if (!next.delete(module)) next.add(module);
      return next;
    });
  return [unfolded, toggle];
}

function useArrangement(whole: Matrix) {
  const [filter, setFilter] = useState("");
  const [order, setOrder] = useState<Order>("model");
  const [depth, setDepth] = useState<(typeof DEPTHS)[number]>("auto");
  const [unfolded, toggle] = useUnfolded();
  const rows = useMemo(() => {
    const names = whole.columns.filter((name) => matches(name, filter));
    const parts = depth === "auto" ? automaticDepth(names) : Number(depth);
    return rowsOf(whole, { filter, order, depth: parts, unfolded });
  }, [whole, filter, order, depth, unfolded]);
  return { filter, setFilter, order, setOrder, depth, setDepth, unfolded, toggle, rows };
}

function Controls(
  props: ReturnType<typeof useArrangement> & {
    colours: Colours;
    paint: (c: Colours) => void;
    children: ComponentChildren;
  },
) {
  const { t } = useText();
  return (
    <div class="controls heat-controls">
      {props.children}
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
        name={(depth) => {
          if (depth === "auto") return t("gradients.auto");
          return depth === "0" ? t("gradients.unfolded") : t("gradients.depth", { depth });
        }}
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

function summaryOf(
  whole: Matrix,
  events: Moment[],
  t: ReturnType<typeof useText>["t"],
  lang: string,
): string {
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

/** Everything about the heat map that is chosen or follows from it. */
function useHeat(props: Props, { rows, toggle }: ReturnType<typeof useArrangement>) {
  const { whole, scale, heading, run, place, go, theme } = props;
  const { t, lang } = useText();
  const [span, setSpan] = useSpan(rows);
  const [cell, setCell] = useState<Cell | null>(null);
  const [tabled, setTabled] = useState(false);
  const [colours, paint] = useColours(scale);
  const recorded = useMatrixInView(run, whole.quantity, whole.records <= whole.buckets).value;
  const { painted, closer, domain } = useScaled(whole, recorded, scale);
  const range = useColourRange(`${whole.quantity} ${scale}`, domain, [painted.max]);
  const events = useMemo(() => momentsOf(whole), [whole]);
  const findings = props.diagnosis.value?.findings ?? NO_FINDINGS;
  const marks = useMemo(() => marksOf(findings), [findings]);
  const badges = useMemo(() => badgesOf(findings), [findings]);
  const extent = useMemo(() => extentOf(run), [run.first_step, run.last_step]);
  const say = (at: Cell) => readCell(recorded ?? whole, whole, rows[at.row], at.step, t, lang);
  const open = ({ row }: Cell) => {
    const [name, columns] = [rows[row]?.name ?? "", rows[row]?.columns ?? []];
    if (columns.length > 1) toggle(name);
    else go({ layer: name });
  };
  const chosen = place.layer ? whole.columns.indexOf(place.layer) : -1;
  const heat: HeatProps = {
    ...{ whole: painted, fine: closer, rows, range, colours, extent, marks, badges, theme, say, open },
    ...{ span, setSpan },
    selected: chosen < 0 ? -1 : rows.findIndex((row) => row.columns.includes(chosen)),
    label: `${heading}: ${run.run}`,
    summary: summaryOf(whole, events, t, lang),
    point: setCell,
    table: () => setTabled(!tabled),
  };
  const unit = scale === "median" ? t("scale.median") : unitName(whole.unit, t);
  return { heat, range, unit, paint, events, cell, tabled, setTabled, picked: chosen >= 0 };
}

type Heat = ReturnType<typeof useHeat>;

/** The heat map with what explains it. */
function Shown({ heat, range, unit, cell, tabled, setTabled, ...props }: Props & Heat) {
  const { t } = useText();
  const { rows, span, setSpan, colours, say } = heat;
  const prefix = prefixOf(rows);
  const seen = useMemo(
    () => seenIn(heat.whole, range.domain, range.far),
    [heat.whole, range.domain, range.far],
  );
  return (
    <div>
      <Legend range={range} unit={unit} colours={colours} seen={seen}>
        <Menu label={t("chart.menu")}>
          <SaveHeat
            heat={heat}
            run={props.run.run}
            heading={props.heading}
            domain={range.domain}
            unit={unit}
          />
        </Menu>
      </Legend>
      <p class={cell ? "readout" : "readout muted"}>{cell ? say(cell) : t("gradients.point")}</p>
      <HeatMap key={rows.length} {...heat} />
      <p class="muted">
        {prefix ? `${t("gradients.prefix", { prefix })} · ` : ""}
        {t("gradients.hint")}
      </p>
      <RowRange rows={rows.length} span={span} reset={() => setSpan(null)} />
      <MatrixTable
        matrix={props.whole}
        rows={rows}
        open={tabled}
        toggle={setTabled}
        pick={(layer) => props.go({ layer })}
      />
    </div>
  );
}

/** The picked layer over the steps, and among all layers at the cursor. */
function Picked({ heat, range, unit, cell, ...props }: Props & Heat & { layer: string }) {
  const { t } = useText();
  const { heading, scale } = props;
  return (
    <LayerLine {...props}>
      <Distribution
        {...{ whole: heat.whole, fine: heat.fine, limits: range.limits, unit, layer: props.layer }}
        step={cell?.step}
        stat={scale === "absolute" ? heading : `${heading}, ${t(`scale.${scale}`)}`}
      />
      <Spread run={props.run} layer={props.layer} />
    </LayerLine>
  );
}

export function MatrixView(props: Props) {
  const { whole, place, go } = props;
  const { t } = useText();
  const arrangement = useArrangement(whole);
  const heat = useHeat(props, arrangement);
  const findings = props.diagnosis.value?.findings ?? NO_FINDINGS;
  const about = useMemo(() => findingsIn(findings, whole), [findings, whole]);
  const open = (name: string) => go({ layer: name });
  const layer = heat.picked ? place.layer : undefined;
  return (
    <>
      <Controls {...arrangement} colours={heat.heat.colours} paint={heat.paint}>
        {props.children}
      </Controls>
      <Events {...{ moments: heat.events, matrix: whole, findings: about, place, go }} open={open} />
      <div class={layer ? "with-drawer" : ""}>
        {arrangement.rows.length === 0 ? (
          <Note>{t("gradients.noMatch")}</Note>
        ) : (
          <Shown {...props} {...heat} />
        )}
        {layer ? <Picked {...props} {...heat} layer={layer} /> : null}
      </div>
    </>
  );
}
