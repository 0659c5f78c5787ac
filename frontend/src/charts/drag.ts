/** Dragging over a chart, and the range of steps that is picked by it. */
import { currentZoom, limited, type Range, setZoom } from "../data/zoom";
import type { ECharts } from "../vendor";

const ENDS = ["pointerup", "pointercancel"] as const;

type Way = (x: number, y: number) => void;

/** Calls back with the way from where the button went down until it is let go, also outside of the picture. */
export function whileDown(start: PointerEvent, moved: Way, done?: Way): void {
  const way = (tell: Way, event: PointerEvent) =>
    tell(event.clientX - start.clientX, event.clientY - start.clientY);
  const move = (event: PointerEvent) => way(moved, event);
  const end = (event: PointerEvent) => {
    window.removeEventListener("pointermove", move);
    for (const name of ENDS) window.removeEventListener(name, end);
    if (done) way(event.type === "pointerup" ? done : () => done(0, 0), event);
  };
  window.addEventListener("pointermove", move);
  for (const name of ENDS) window.addEventListener(name, end);
}

/** Pixels; what is shorter was a click. */
const SHORTEST = 4;

/** Draws a frame over all the height from where the button went down, and shows its steps when it is let go. */
function pick(chart: ECharts, start: PointerEvent, extent: Range): void {
  const bounds = chart.getDom().getBoundingClientRect();
  const left = start.clientX - bounds.left;
  const frame = document.createElement("div");
  frame.className = "box";
  chart.getDom().append(frame);
  const draw = (x: number) =>
    Object.assign(frame.style, {
      ...{ top: "0", height: `${bounds.height}px` },
      ...{ left: `${left + Math.min(0, x)}px`, width: `${Math.abs(x)}px` },
    });
  whileDown(start, draw, (x) => {
    frame.remove();
    if (Math.abs(x) < SHORTEST) return;
    const [from = 0, to = 0] = [Math.min(left, left + x), Math.max(left, left + x)].map((at) =>
      chart.convertFromPixel({ xAxisIndex: 0 }, at),
    );
    setZoom(limited([from, to], extent));
  });
}

/** Dragging picks steps where all are shown, and moves what is shown where not; with Alt it always picks. */
export function followDrag(chart: ECharts, extent: () => Range): void {
  chart.getZr().on("mousedown", ({ offsetX, offsetY, event }) => {
    const start = event as unknown as PointerEvent;
    if (start.button !== 0 || !chart.containPixel({ gridIndex: 0 }, [offsetX, offsetY])) return;
    if (start.altKey || currentZoom() === null) pick(chart, start, extent());
  });
}
