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

export function Chart({ option, height, label, ready }: Props) {
  const host = useRef<HTMLDivElement>(null);
  const chart = useRef<ECharts | null>(null);
  // One instance for the life of the component
  useEffect(() => {
    if (!host.current) return undefined;
    const instance = init(host.current);
    chart.current = instance;
    ready?.(instance);
    const stop = followSize(host.current, instance);
    return () => {
      stop();
      chart.current = null;
      instance.dispose();
    };
  }, []);
  useEffect(() => {
    chart.current?.setOption(option, { notMerge: true });
  }, [option]);
  return <div class="chart" role="img" aria-label={label} ref={host} style={{ height: `${height}px` }} />;
}
