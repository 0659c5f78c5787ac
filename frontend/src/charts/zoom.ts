/** The one step range that every chart shows: a zoom in one of them is a zoom in all. */
import { useEffect, useState } from "preact/hooks";
import type { Option } from "./lineOption";

export type Range = readonly [number, number];
type Listener = (range: Range | null, source: unknown) => void;

const listeners = new Set<Listener>();
let current: Range | null = null;

function same(a: Range | null, b: Range | null): boolean {
  return a === b || (a !== null && b !== null && a[0] === b[0] && a[1] === b[1]);
}

/** The range in force; null shows everything, also what is still to come. */
export function currentZoom(): Range | null {
  return current;
}

/** `source` is told too, so that who caused a change can leave itself alone. */
export function setZoom(range: Range | null, source: unknown = null): void {
  if (same(range, current)) return;
  current = range;
  for (const listener of [...listeners]) listener(range, source);
}

export function onZoom(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The option with the range in force, in steps: a run that grows must not move the view. */
export function withZoom(option: Option, zoom: Range | null, extent: Range): Option {
  const zooms = option.dataZoom;
  if (!Array.isArray(zooms)) return option;
  const [startValue, endValue] = zoom ?? extent;
  return { ...option, dataZoom: zooms.map((entry: Option) => ({ ...entry, startValue, endValue })) };
}

/** A range inside `extent`, at least one step wide; null where it is all of it. */
export function limited([from, to]: Range, [first, last]: Range): Range | null {
  const width = Math.min(Math.max(to - from, 1), Math.max(1, last - first));
  const start = Math.min(Math.max(from, first), last - width);
  if (start <= first && start + width >= last) return null;
  return [start, start + width];
}

/** Zoomed by a factor (< 1 is closer) around a step that stays where it is. */
export function zoomedBy(factor: number, around: number, extent: Range): Range | null {
  const [from, to] = current ?? extent;
  const centre = Math.min(to, Math.max(from, around));
  return limited([centre - (centre - from) * factor, centre + (to - centre) * factor], extent);
}

/** Moved by a share of its own width. */
export function movedBy(share: number, extent: Range): Range | null {
  if (!current) return null;
  const by = (current[1] - current[0]) * share;
  return limited([current[0] + by, current[1] + by], extent);
}

/** The range once it has been left alone for a moment: what data are asked for, what goes into the link. */
export function useSettledZoom(quiet = 150): Range | null {
  const [settled, settle] = useState<Range | null>(current);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    settle(current);
    const stop = onZoom((range) => {
      clearTimeout(timer);
      timer = setTimeout(() => settle(range), quiet);
    });
    return () => {
      clearTimeout(timer);
      stop();
    };
  }, [quiet]);
  return settled;
}
