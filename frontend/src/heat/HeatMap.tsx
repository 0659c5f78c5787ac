/** Layers x steps: pointer and keyboard move one cursor; what is under it is told to the view. */
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Chart } from "../charts/Chart";
import type { Board, Cursor } from "../charts/keys";
import { paletteOf } from "../charts/palette";
import type { Mark } from "../data/findings";
import { Flag, type Matrix } from "../data/table";
import type { Severity } from "../data/types";
import type { Range } from "../data/zoom";
import { useMedia } from "../host/media";
import type { Theme } from "../host/theme";
import { useText } from "../i18n";
import { Keyboard } from "../parts/Keyboard";
import { formatInteger } from "../text/numbers";
import type { ECharts } from "../vendor";
import { HeatCanvas, tailOf } from "./canvas";
import { railOf } from "./events";
import { followMouse } from "./gestures";
import { bucketAt } from "./grid";
import { heatOption, type Layout, layoutOf } from "./heatOption";
import { labelsOf, prefixOf, titleOf } from "./labels";
import type { Colours } from "./lut";
import type { Row } from "./rows";
import { type Span, showing, spanIn, zoomedRows } from "./span";
import type { ColourRange } from "./useColourRange";

/** A cell: position among the rows, and a step in it. */
export interface Cell {
  row: number;
  step: number;
}

export interface HeatProps {
  /** What is painted. */
  whole: Matrix;
  fine?: Matrix | undefined;
  rows: Row[];
  /** Rows in view; null for all. */
  span: Span | null;
  setSpan: (span: Span | null) => void;
  range: Pick<ColourRange, "domain" | "far">;
  colours: Colours;
  extent: Range;
  marks: Mark[];
  /** What a finding says of a layer. */
  badges?: ReadonlyMap<string, Severity>;
  theme: Theme;
  selected: number;
  label: string;
  summary: string;
  /** How places on the x axis are written, if they are not steps. */
  formatStep?: ((value: number) => string) | undefined;
  /** Words for a cell. */
  say: (cell: Cell) => string;
  point: (cell: Cell) => void;
  open: (cell: Cell) => void;
  table?: () => void;
}

function cellAt(chart: ECharts, [from, to]: Span, x: number, y: number): Cell | null {
  if (!chart.containPixel({ gridIndex: 0 }, [x, y])) return null;
  const [step = 0, row = 0] = chart.convertFromPixel({ gridIndex: 0 }, [x, y]) as number[];
  return row < 0 || from + row >= to ? null : { row: from + row, step };
}

const NO_BADGES: ReadonlyMap<string, Severity> = new Map();

/** Everything the picture depends on, as the library's option. */
export function useHeatOption(props: HeatProps, small = false) {
  const { whole, fine, rows, theme, selected, colours, marks, formatStep, badges = NO_BADGES } = props;
  const { domain, far } = props.range;
  const [first, last] = props.extent;
  const [top, bottom] = spanIn(props.span, rows.length);
  const { lang } = useText();
  const canvas = useRef<HeatCanvas | null>(null);
  canvas.current ??= new HeatCanvas();
  const rail = useMemo(() => railOf(whole), [whole]);
  const prefix = useMemo(() => prefixOf(rows), [rows]);
  const widest = useMemo(
    () => rows.reduce((most, row) => Math.max(most, titleOf(row, prefix).length + 2), 0),
    [rows, prefix],
  );
  const layout = useMemo(() => layoutOf(rows.length, marks, small), [rows, marks, small]);
  return useMemo(() => {
    const palette = paletteOf(theme);
    const seen = rows.slice(top, bottom);
    const columns = seen.map((row) => row.columns);
    const picture = { whole, fine, rows: columns, domain, far, colours, background: palette.background };
    return heatOption({
      ...labelsOf(seen, layout.height / seen.length, prefix, badges, selected - top),
      widest,
      layout,
      tail: tailOf(whole),
      extent: [first, last],
      palette,
      formatStep: formatStep ?? ((value) => formatInteger(Math.round(value), lang)),
      selected: selected >= top && selected < bottom ? selected - top : -1,
      marks,
      rail,
      railSteps: whole.firstStep,
      draw: (frame) => canvas.current?.draw(picture, frame) ?? null,
    });
  }, [
    whole,
    fine,
    rows,
    theme,
    selected,
    lang,
    formatStep,
    domain,
    far,
    colours,
    marks,
    layout,
    badges,
    rail,
    first,
    last,
    top,
    bottom,
  ]);
}

const BAD = Flag.nan | Flag.plusInf | Flag.minusInf;
const MOST_ANOMALIES = 500;

/** Moments at which rows stop being numbers, for the keys that jump from one to the next: the first row of each. */
export function anomaliesOf(whole: Matrix, rows: readonly Row[]): Cursor[] {
  const found: Cursor[] = [];
  const isBad = ({ columns }: Row, at: number) =>
    columns.some((column) => (whole.flags[column * whole.buckets + at] ?? 0) & BAD);
  for (let at = 0; at < whole.buckets && found.length < MOST_ANOMALIES; at++) {
    const row = rows.findIndex((each) => isBad(each, at) && (at === 0 || !isBad(each, at - 1)));
    if (row >= 0) found.push({ at, row });
  }
  return found;
}

/** Where the keyboard's cursor is, as a box over the picture. */
function Crosshair(props: { chart: ECharts | null; cell: Cell | null; span: Span; layout: Layout }) {
  const { chart, cell, layout: picture } = props;
  const [from, to] = props.span;
  if (!chart || !cell || cell.row < from || cell.row >= to) return null;
  const [x = 0] = chart.convertToPixel({ gridIndex: 0 }, [cell.step, 0]) as number[];
  const perRow = picture.height / (to - from);
  const height = Math.max(4, perRow);
  const y = picture.top + (cell.row - from + 0.5) * perRow;
  return (
    <div
      class="crosshair"
      style={{ left: `${x - 4}px`, top: `${y - height / 2}px`, height: `${height}px` }}
    />
  );
}

/** Keys of the rows; true where that was all the key does. */
function rowKey(key: string, row: number, { rows, span, setSpan }: HeatProps): boolean {
  const zoom = (closer: boolean) => setSpan(zoomedRows(span, rows.length, closer, row + 0.5));
  if (key === "z") zoom(true);
  else if (key === "x") zoom(false);
  else if (key === "0") setSpan(null);
  return key === "z" || key === "x";
}

function seen({ span, rows }: HeatProps): Span {
  return spanIn(span, rows.length);
}

/** Where the mouse is, and on which cell. */
interface Hover {
  cell: Cell;
  x: number;
  y: number;
}

/** What the cell under the mouse says, beside it and inside the map. */
function Tip({ hover, width, say }: { hover: Hover | null; width: number; say: HeatProps["say"] }) {
  if (!hover) return null;
  const left = hover.x < width / 2;
  const side = left ? { left: `${hover.x + 14}px` } : { right: `${width - hover.x + 14}px` };
  return (
    <div class="tip" aria-hidden="true" style={{ top: `${hover.y + 12}px`, ...side }}>
      {say(hover.cell)}
    </div>
  );
}

/** Listens to the pointer of each new chart, with the props as they are by then. */
function useMouse(
  latest: { current: HeatProps & { layout: Layout } },
  chart: { current: ECharts | null },
  hover: (at: Hover | null) => void,
) {
  return useCallback((instance: ECharts) => {
    chart.current = instance;
    const over = (event: { offsetX: number; offsetY: number }) =>
      cellAt(instance, seen(latest.current), event.offsetX, event.offsetY);
    instance.getZr().on("mousemove", (event) => {
      const cell = over(event);
      if (cell) latest.current.point(cell);
      hover(cell ? { cell, x: event.offsetX, y: event.offsetY } : null);
    });
    instance.getZr().on("globalout", () => hover(null));
    instance.getZr().on("click", (event) => {
      const cell = over(event);
      if (cell) latest.current.open(cell);
    });
    followMouse(instance, () => {
      const { rows, layout, extent, span, setSpan } = latest.current;
      return { count: rows.length, layout, extent, span, setSpan };
    });
  }, []);
}

/** Below this width names beside the map would leave it too little. */
const SMALL = "(max-width: 599px)";

export function HeatMap(props: HeatProps) {
  const { whole, rows, extent, span, setSpan } = props;
  const small = useMedia(SMALL);
  const layout = layoutOf(rows.length, props.marks, small);
  const latest = useRef({ ...props, layout });
  latest.current = { ...props, layout };
  const chart = useRef<ECharts | null>(null);
  const [cursor, setCursor] = useState<Cell | null>(null);
  const [hover, setHover] = useState<Hover | null>(null);
  const option = useHeatOption(props, small);
  const board = useMemo<Board>(
    () => ({ steps: whole.firstStep, rows: rows.length, extent, anomalies: anomaliesOf(whole, rows) }),
    [whole, rows, extent],
  );
  const cellOf = ({ at, row }: Cursor): Cell => ({ row, step: whole.firstStep[at] ?? extent[0] });
  const ready = useMouse(latest, chart, setHover);
  useEffect(() => setCursor(null), [rows]);
  return (
    <Keyboard
      class="heat"
      label={props.label}
      summary={props.summary}
      board={board}
      say={(at) => props.say(cellOf(at))}
      keys={(key, { row }) => rowKey(key, row, props)}
      move={(at) => {
        setSpan(showing(span, rows.length, at.row));
        setCursor(cellOf(at));
        props.point(cellOf(at));
      }}
      enter={(at) => props.open(cellOf(at))}
      {...(props.table ? { table: props.table } : {})}
    >
      <Chart
        option={option}
        height={layout.total}
        label={props.label}
        extent={extent}
        tail={tailOf(whole)}
        ready={ready}
      />
      <Crosshair chart={chart.current} cell={cursor} span={seen(props)} layout={layout} />
      <Tip hover={hover} width={chart.current?.getWidth() ?? 0} say={props.say} />
    </Keyboard>
  );
}

/** The bucket of a step, or nothing where the step lies outside. */
export function bucketOf(matrix: Matrix, step: number): number {
  return bucketAt(matrix.firstStep, step);
}
