/** The one wrapper around the chart library: it owns the instance, its size and its end. */
import { useEffect, useRef } from "preact/hooks";
import { type ECharts, init } from "../vendor";
import type { Option } from "./lineOption";

interface Props {
  option: Option;
  height: number;
  label: string;
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

interface Zoom {
  start?: number;
  end?: number;
}

/** The option with the zoom that the user has chosen: new data or another selection must not move the view. */
export function keepZoom(option: Option, current: Zoom[] | undefined): Option {
  const zooms = option.dataZoom;
  if (!Array.isArray(zooms) || !current) return option;
  const kept = zooms.map((zoom: Option, index) => {
    const { start, end } = current[index] ?? {};
    return start === undefined || end === undefined ? zoom : { ...zoom, start, end };
  });
  return { ...option, dataZoom: kept };
}

/** A double click shows everything again. */
function resetOnDoubleClick(chart: ECharts): void {
  chart.getZr().on("dblclick", () => chart.dispatchAction({ type: "dataZoom", start: 0, end: 100 }));
}

export function Chart({ option, height, label, ready }: Props) {
  const host = useRef<HTMLDivElement>(null);
  const chart = useRef<ECharts | null>(null);
  // One instance for the life of the component
  useEffect(() => {
    if (!host.current) return undefined;
    const instance = init(host.current);
    chart.current = instance;
    resetOnDoubleClick(instance);
    ready?.(instance);
    const stop = followSize(host.current, instance);
    return () => {
      stop();
      chart.current = null;
      instance.dispose();
    };
  }, []);
  useEffect(() => {
    const current = (chart.current?.getOption() as Option | undefined)?.dataZoom as Zoom[] | undefined;
    chart.current?.setOption(keepZoom(option, current), { notMerge: true });
  }, [option]);
  return <div class="chart" role="img" aria-label={label} ref={host} style={{ height: `${height}px` }} />;
}
