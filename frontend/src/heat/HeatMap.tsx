/** Layers x steps: pointer and keyboard move one cursor; what is under it is told to the view. */
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Chart } from "../charts/Chart";
import type { Board, Cursor } from "../charts/keys";
import { paletteOf } from "../charts/palette";
import type { Mark } from "../charts/spec";
import type { Range } from "../charts/zoom";
import { Flag, type Matrix } from "../data/table";
import type { Theme } from "../host/theme";
import { useText } from "../i18n";
import { Surface as Keys } from "../parts/Surface";
import { formatInteger } from "../text/numbers";
import type { ECharts } from "../vendor";
import { railOf } from "./events";
import { bucketAt } from "./grid";
import { heatHeight, heatOption } from "./heatOption";
import type { Colours } from "./lut";
import type { Row } from "./rows";
import { Surface } from "./surface";

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
  /** Values at the two ends of the colours. */
  domain: readonly [number, number];
  colours: Colours;
  extent: Range;
  marks: Mark[];
  theme: Theme;
  selected: number;
  label: string;
  summary: string;
  /** Words for a cell. */
  say: (cell: Cell) => string;
  point: (cell: Cell) => void;
  open: (cell: Cell) => void;
  table?: () => void;
}

function cellAt(chart: ECharts, rows: number, x: number, y: number): Cell | null {
  if (!chart.containPixel({ gridIndex: 0 }, [x, y])) return null;
  const [step = 0, row = 0] = chart.convertFromPixel({ gridIndex: 0 }, [x, y]) as number[];
  return row < 0 || row >= rows ? null : { row, step };
}

/** Everything the picture depends on, as the library's option. */
export function useHeatOption(props: HeatProps) {
  const { whole, fine, rows, theme, selected, domain, colours, marks } = props;
  const [first, last] = props.extent;
  const { lang } = useText();
  const surface = useRef<Surface | null>(null);
  surface.current ??= new Surface();
  const rail = useMemo(() => railOf(whole), [whole]);
  return useMemo(() => {
    const palette = paletteOf(theme);
    const columns = rows.map((row) => row.columns);
    const picture = { whole, fine, rows: columns, domain, colours, background: palette.background };
    return heatOption({
      rows: rows.map(({ name, columns: { length } }) => (length > 1 ? `▸ ${name} (${length})` : name)),
      extent: [first, last],
      palette,
      formatStep: (value) => formatInteger(Math.round(value), lang),
      selected,
      marks,
      rail,
      railSteps: whole.firstStep,
      draw: (frame) => surface.current?.draw(picture, frame) ?? null,
    });
  }, [whole, fine, rows, theme, selected, lang, domain, colours, marks, rail, first, last]);
}

const BAD = Flag.nan | Flag.plusInf | Flag.minusInf;
const MOST_ANOMALIES = 500;

/** Cells that are not numbers, for the keys that jump from one to the next. */
function anomaliesOf(whole: Matrix, rows: Row[]): Cursor[] {
  const found: Cursor[] = [];
  for (let at = 0; at < whole.buckets && found.length < MOST_ANOMALIES; at++) {
    rows.forEach(({ columns }, row) => {
      const bad = columns.some((column) => (whole.flags[column * whole.buckets + at] ?? 0) & BAD);
      if (bad) found.push({ at, row });
    });
  }
  return found;
}

/** Where the keyboard's cursor is, as a box over the picture. */
function Crosshair({ chart, cell, rows }: { chart: ECharts | null; cell: Cell | null; rows: number }) {
  if (!chart || !cell) return null;
  const [x = 0, y = 0] = chart.convertToPixel({ gridIndex: 0 }, [cell.step, cell.row]) as number[];
  const [, next = y] = chart.convertToPixel({ gridIndex: 0 }, [
    cell.step,
    Math.min(rows - 1, cell.row + 1),
  ]) as number[];
  const height = Math.max(4, Math.abs(next - y) || 12);
  return (
    <div
      class="crosshair"
      style={{ left: `${x - 4}px`, top: `${y - height / 2}px`, height: `${height}px` }}
    />
  );
}

export function HeatMap(props: HeatProps) {
  const { whole, rows, extent } = props;
  const latest = useRef(props);
  latest.current = props;
  const chart = useRef<ECharts | null>(null);
  const [cursor, setCursor] = useState<Cell | null>(null);
  const option = useHeatOption(props);
  const board = useMemo<Board>(
    () => ({ steps: whole.firstStep, rows: rows.length, extent, anomalies: anomaliesOf(whole, rows) }),
    [whole, rows, extent],
  );
  const cellOf = ({ at, row }: Cursor): Cell => ({ row, step: whole.firstStep[at] ?? extent[0] });
  const ready = useCallback((instance: ECharts) => {
    chart.current = instance;
    const over = (event: { offsetX: number; offsetY: number }) =>
      cellAt(instance, latest.current.rows.length, event.offsetX, event.offsetY);
    instance.getZr().on("mousemove", (event) => {
      const cell = over(event);
      if (cell) latest.current.point(cell);
    });
    instance.getZr().on("click", (event) => {
      const cell = over(event);
      if (cell) latest.current.open(cell);
    });
  }, []);
  useEffect(() => setCursor(null), [rows]);
  return (
    <Keys
      class="heat"
      label={props.label}
      summary={props.summary}
      board={board}
      say={(at) => props.say(cellOf(at))}
      move={(at) => {
        setCursor(cellOf(at));
        props.point(cellOf(at));
      }}
      enter={(at) => props.open(cellOf(at))}
      {...(props.table ? { table: props.table } : {})}
    >
      <Chart
        option={option}
        height={heatHeight(rows.length)}
        label={props.label}
        extent={extent}
        ready={ready}
      />
      <Crosshair chart={chart.current} cell={cursor} rows={rows.length} />
    </Keys>
  );
}

/** The bucket of a step, or nothing where the step lies outside. */
export function bucketOf(matrix: Matrix, step: number): number {
  return bucketAt(matrix.firstStep, step);
}
