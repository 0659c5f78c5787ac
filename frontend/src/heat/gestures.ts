/** Mouse on a heat map: shift and wheel zooms the rows; dragging zooms into a box, and moves what is zoomed already. */
import { whileDown } from "../charts/drag";
import { currentZoom, limited, type Range, setZoom } from "../data/zoom";
import type { ECharts } from "../vendor";
import type { Layout } from "./heatOption";
import { movedRows, rowsBetween, type Span, spanIn, zoomedRows } from "./span";

/** What the gestures act on, as it is when they happen. */
export interface Held {
  /** All rows there are. */
  count: number;
  layout: Layout;
  extent: Range;
  span: Span | null;
  setSpan: (span: Span | null) => void;
}

/** The row under a pixel, with its fraction. */
function rowAt(y: number, { count, span, layout }: Held): number {
  const { top, height } = layout;
  const [from, to] = spanIn(span, count);
  return from + ((y - top) / height) * (to - from);
}

function onWheel(host: HTMLElement, held: () => Held): void {
  const turn = (event: WheelEvent) => {
    // Browsers turn shift and wheel into sideways scrolling.
    const by = event.deltaY || event.deltaX;
    if (!event.shiftKey || event.ctrlKey || by === 0) return;
    event.preventDefault();
    event.stopPropagation();
    const now = held();
    const y = event.clientY - host.getBoundingClientRect().top;
    now.setSpan(zoomedRows(now.span, now.count, by < 0, rowAt(y, now)));
  };
  // Before the library hears of it, which would zoom the steps.
  host.addEventListener("wheel", turn, { capture: true, passive: false });
}

/** The library's own dragging would end as soon as the rows change under it. */
function drag(chart: ECharts, start: PointerEvent, held: () => Held): void {
  const { span, count, extent, layout } = held();
  const zoom = currentZoom();
  const perRow = span ? layout.height / (span[1] - span[0]) : 1;
  const [first = 0, second = 0] = [0, 1].map((x) => chart.convertFromPixel({ xAxisIndex: 0 }, x));
  whileDown(start, (x, y) => {
    const by = x * (second - first);
    if (zoom) setZoom(limited([zoom[0] - by, zoom[1] - by], extent));
    held().setSpan(movedRows(span, count, Math.round(-y / perRow)));
  });
}

/** Pixels in both directions; what is smaller was a click. */
const SMALLEST_BOX = 4;

/** Draws a box from where the button went down, and shows what is in it when it is let go. */
function box(chart: ECharts, start: PointerEvent, held: () => Held): void {
  const bounds = chart.getDom().getBoundingClientRect();
  const [left, top] = [start.clientX - bounds.left, start.clientY - bounds.top];
  const frame = document.createElement("div");
  frame.className = "box";
  chart.getDom().append(frame);
  const draw = (x: number, y: number) =>
    Object.assign(frame.style, {
      left: `${left + Math.min(0, x)}px`,
      top: `${top + Math.min(0, y)}px`,
      width: `${Math.abs(x)}px`,
      height: `${Math.abs(y)}px`,
    });
  whileDown(start, draw, (x, y) => {
    frame.remove();
    if (Math.min(Math.abs(x), Math.abs(y)) < SMALLEST_BOX) return;
    const now = held();
    const [from = 0, to = 0] = [Math.min(left, left + x), Math.max(left, left + x)].map((at) =>
      chart.convertFromPixel({ xAxisIndex: 0 }, at),
    );
    setZoom(limited([from, to], now.extent));
    now.setSpan(rowsBetween(rowAt(top, now), rowAt(top + y, now), now.count));
  });
}

/** Ends with the chart's own element: nothing to undo. */
export function followMouse(chart: ECharts, held: () => Held): void {
  onWheel(chart.getDom(), held);
  chart.getZr().on("mousedown", ({ offsetX, offsetY, event }) => {
    const start = event as unknown as PointerEvent;
    if (start.button === 0 && chart.containPixel({ gridIndex: 0 }, [offsetX, offsetY])) {
      const whole = currentZoom() === null && held().span === null;
      (start.altKey || whole ? box : drag)(chart, start, held);
    }
  });
  chart.getZr().on("dblclick", () => held().setSpan(null));
}
