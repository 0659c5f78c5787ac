/** Layers x steps: pointer and keyboard move one cursor; what is under it is told to the view. */
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Chart } from "../charts/Chart";
import { paletteOf } from "../charts/palette";
import type { Table } from "../data/table";
import type { Theme } from "../host/theme";
import { useText } from "../i18n";
import { formatInteger } from "../text/numbers";
import type { ECharts } from "../vendor";
import { bucketAt } from "./grid";
import { heatHeight, heatOption } from "./heatOption";
import { rgbOf, Surface } from "./surface";

/** A cell: position in `rows` and bucket of the table. */
export interface Cell {
  row: number;
  bucket: number;
}

interface Props {
  table: Table;
  rows: number[];
  /** Values at the two ends of the colours. */
  domain: [number, number];
  theme: Theme;
  selected: number;
  label: string;
  point: (cell: Cell) => void;
  open: (cell: Cell) => void;
}

function cellAt(chart: ECharts, table: Table, rows: number, x: number, y: number): Cell | null {
  if (!chart.containPixel({ gridIndex: 0 }, [x, y])) return null;
  const [step = 0, row = 0] = chart.convertFromPixel({ gridIndex: 0 }, [x, y]) as number[];
  if (row < 0 || row >= rows) return null;
  return { row, bucket: bucketAt(table.firstStep, step) };
}

/** Where an arrow key moves the cursor; null for other keys. */
export function moved(cell: Cell, key: string, far: boolean, rows: number, buckets: number): Cell | null {
  const by = far ? 10 : 1;
  const shift: Record<string, [number, number]> = {
    ArrowUp: [-by, 0],
    ArrowDown: [by, 0],
    ArrowLeft: [0, -by],
    ArrowRight: [0, by],
    Home: [0, -buckets],
    End: [0, buckets],
  };
  const move = shift[key];
  if (!move) return null;
  const clamp = (value: number, count: number) => Math.max(0, Math.min(count - 1, value));
  return { row: clamp(cell.row + move[0], rows), bucket: clamp(cell.bucket + move[1], buckets) };
}

function useOption(props: Props) {
  const { table, rows, theme, selected, domain } = props;
  const { lang } = useText();
  const surface = useRef<Surface | null>(null);
  surface.current ??= new Surface();
  const option = useMemo(() => {
    const palette = paletteOf(theme);
    const first = table.firstStep[0] ?? 0;
    const last = Math.max(first + 1, table.lastStep[table.buckets - 1] ?? 1);
    return heatOption({
      rows: rows.map((column) => table.columns[column] ?? ""),
      steps: [first, last],
      palette,
      formatStep: (value) => formatInteger(value, lang),
      selected,
      draw: (frame) => surface.current?.draw(table, rows, frame, domain, rgbOf(palette.background)) ?? null,
    });
  }, [table, rows, theme, selected, lang, domain]);
  return option;
}

export function HeatMap(props: Props) {
  const latest = useRef(props);
  latest.current = props;
  const [cursor, setCursor] = useState<Cell>({ row: 0, bucket: 0 });
  const option = useOption(props);
  const ready = useCallback((chart: ECharts) => {
    const over = (event: { offsetX: number; offsetY: number }) => {
      const { table, rows } = latest.current;
      return cellAt(chart, table, rows.length, event.offsetX, event.offsetY);
    };
    chart.getZr().on("mousemove", (event) => {
      const cell = over(event);
      if (cell) latest.current.point(cell);
    });
    chart.getZr().on("click", (event) => {
      const cell = over(event);
      if (cell) latest.current.open(cell);
    });
  }, []);
  useEffect(() => setCursor({ row: 0, bucket: 0 }), [props.rows]);
  const press = (event: KeyboardEvent) => {
    if (event.key === "Enter") return props.open(cursor);
    const next = moved(cursor, event.key, event.shiftKey, props.rows.length, props.table.buckets);
    if (!next) return undefined;
    event.preventDefault();
    setCursor(next);
    return props.point(next);
  };
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: role="application" makes it interactive: arrow keys move the cursor
    <div class="heat" role="application" tabIndex={0} aria-label={props.label} onKeyDown={press}>
      <Chart option={option} height={heatHeight(props.rows.length)} label={props.label} ready={ready} />
    </div>
  );
}
