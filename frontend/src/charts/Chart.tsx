/** The one wrapper around the chart library: it owns the instance, its size, its zoom and its end. */
import { useEffect, useRef } from "preact/hooks";
import { pointed } from "../data/reading";
import { currentZoom, limited, onZoom, type Range, setZoom } from "../data/zoom";
import { type ECharts, init } from "../vendor";
import type { Option } from "./spec";
import { withZoom } from "./withZoom";

interface Props {
  option: Option;
  height: number;
  label: string;
  /** First and last step of the axis. */
  extent: Range;
  /** What the axis shows behind the last step of a range: a heat map's cell begins at its step, and needs room. */
  tail?: number;
  /** Called once with each new instance, for views that listen to its pointer. */
  ready?: (chart: ECharts) => void;
}

/** Resizes with its box; a hidden tab has no size and keeps its picture. */
function followSize(host: HTMLElement, chart: ECharts): () => void {
  const observer = new ResizeObserver(() => {
    if (host.clientWidth > 0 && host.clientHeight > 0) chart.resize();
  });
  observer.observe(host);
  return () => observer.disconnect();
}

/** Calls back once the element is near the visible part of the page: charts nobody sees are not drawn. */
function whenNear(host: HTMLElement, near: () => void): () => void {
  const observer = new IntersectionObserver(
    (entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      observer.disconnect();
      near();
    },
    { rootMargin: "300px" },
  );
  observer.observe(host);
  return () => observer.disconnect();
}

interface ZoomEvent {
  start?: number;
  end?: number;
  batch?: ZoomEvent[];
}

/** The step range of a zoom event, which is told in percent of the axis. */
export function rangeOf(event: ZoomEvent, [first, last]: Range): Range | null {
  const { start = 0, end = 100 } = event.batch?.[0] ?? event;
  const at = (percent: number) => first + ((last - first) * percent) / 100;
  return limited([at(start), at(end)], [first, last]);
}

/** What a chart with cells shows of a range of steps: the last one's cell, too. */
export function withTail([from, to]: Range, tail: number): Range {
  return [from, to + tail];
}

/** Turns that a chart does nothing with belong to the page; the library would swallow them. */
function leaveWheel(host: HTMLElement): () => void {
  const turn = (event: WheelEvent) => {
    if (!event.ctrlKey && !event.metaKey) event.stopPropagation();
  };
  host.addEventListener("wheel", turn, { capture: true, passive: true });
  return () => host.removeEventListener("wheel", turn, { capture: true });
}

interface Axis {
  extent: Range;
  tail: number;
}

/** Ties a chart to the common range, in both directions. */
function linkZoom(chart: ECharts, axis: () => Axis): () => void {
  let applying = false;
  let frame = 0;
  const apply = () => {
    frame = 0;
    const { extent, tail } = axis();
    const [startValue, endValue] = withTail(currentZoom() ?? extent, tail);
    applying = true;
    chart.dispatchAction({ type: "dataZoom", startValue, endValue });
    applying = false;
  };
  chart.on("datazoom", (event) => {
    if (applying) return;
    const { extent, tail } = axis();
    const [from, to] = rangeOf(event as ZoomEvent, withTail(extent, tail)) ?? withTail(extent, tail);
    setZoom(limited([from, to - tail], extent), chart);
  });
  chart.getZr().on("dblclick", () => setZoom(null));
  const stop = onZoom((_, source) => {
    if (source !== chart) frame ||= requestAnimationFrame(apply);
  });
  return () => {
    cancelAnimationFrame(frame);
    stop();
  };
}

/** Shows where the mouse is in another chart: a line at the same step. */
function linkPointer(chart: ECharts, line: HTMLElement): () => void {
  const canvas = chart.getZr();
  canvas.on("mousemove", ({ offsetX, offsetY }) => {
    const inside = chart.containPixel({ gridIndex: 0 }, [offsetX, offsetY]);
    pointed.set(inside ? chart.convertFromPixel({ xAxisIndex: 0 }, offsetX) : null, chart);
  });
  canvas.on("globalout", () => pointed.set(null, chart));
  return pointed.follow((step, source) => {
    const x = step === null || source === chart ? null : chart.convertToPixel({ xAxisIndex: 0 }, step);
    const [top, bottom] = [1, chart.getHeight() - 2];
    const seen =
      x !== null &&
      [top, bottom, (top + bottom) / 2].some((y) => chart.containPixel({ gridIndex: 0 }, [x, y]));
    line.hidden = !seen;
    if (seen) line.style.left = `${x}px`;
  });
}

export function Chart({ option, height, label, extent, tail = 0, ready }: Props) {
  const host = useRef<HTMLDivElement>(null);
  const line = useRef<HTMLDivElement>(null);
  const chart = useRef<ECharts | null>(null);
  const latest = useRef({ option, extent, tail });
  latest.current = { option, extent, tail };
  const show = () => {
    const { option: now, extent: all } = latest.current;
    chart.current?.setOption(withZoom(now, currentZoom(), all, latest.current.tail), { notMerge: true });
  };
  // One instance for the life of the component
  useEffect(() => {
    const element = host.current;
    if (!element) return undefined;
    const ends: (() => void)[] = [];
    const begin = () => {
      const instance = init(element);
      chart.current = instance;
      ends.push(() => instance.dispose());
      ends.push(leaveWheel(element));
      ends.push(linkZoom(instance, () => latest.current));
      if (line.current) ends.push(linkPointer(instance, line.current));
      ready?.(instance);
      ends.push(followSize(element, instance));
      show();
    };
    ends.push(whenNear(element, begin));
    return () => {
      for (const end of ends.reverse()) end();
      chart.current = null;
    };
  }, []);
  useEffect(show, [option]);
  return (
    <div class="chart-box">
      <div class="chart" role="img" aria-label={label} ref={host} style={{ height: `${height}px` }} />
      <div class="pointer-line" ref={line} hidden />
    </div>
  );
}
