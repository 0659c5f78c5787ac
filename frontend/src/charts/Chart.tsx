/** The one wrapper around the chart library: it owns the instance, its size, its zoom and its end. */
import { useEffect, useRef } from "preact/hooks";
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

/** Ties a chart to the common range, in both directions. */
function linkZoom(chart: ECharts, extent: () => Range): () => void {
  let applying = false;
  let frame = 0;
  const apply = () => {
    frame = 0;
    const [startValue, endValue] = currentZoom() ?? extent();
    applying = true;
    chart.dispatchAction({ type: "dataZoom", startValue, endValue });
    applying = false;
  };
  chart.on("datazoom", (event) => {
    if (!applying) setZoom(rangeOf(event as ZoomEvent, extent()), chart);
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

export function Chart({ option, height, label, extent, ready }: Props) {
  const host = useRef<HTMLDivElement>(null);
  const chart = useRef<ECharts | null>(null);
  const latest = useRef({ option, extent });
  latest.current = { option, extent };
  const show = () => {
    const { option: now, extent: all } = latest.current;
    chart.current?.setOption(withZoom(now, currentZoom(), all), { notMerge: true });
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
      ends.push(linkZoom(instance, () => latest.current.extent));
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
  return <div class="chart" role="img" aria-label={label} ref={host} style={{ height: `${height}px` }} />;
}
