/** The one range that every chart shows: a zoom in one of them is a zoom in all. */
import { useEffect, useState } from "preact/hooks";

export type Range = readonly [number, number];
type Listener = (range: Range | null, source: unknown) => void;

/** What charts have along their x axis: steps, or in a comparison what the runs are aligned by. */
export type Axis = "step" | Clock | "finding";
/** Axes that each run has a table for, of its places at its steps. */
export type Clock = "time" | "epoch" | "tokens";

const listeners = new Set<Listener>();
const ranges = new Map<Axis, Range | null>();
let axis: Axis = "step";

function same(a: Range | null, b: Range | null): boolean {
  return a === b || (a !== null && b !== null && a[0] === b[0] && a[1] === b[1]);
}

/** The range in force; null shows everything, also what is still to come. */
export function currentZoom(): Range | null {
  return ranges.get(axis) ?? null;
}

export function currentAxis(): Axis {
  return axis;
}

function tell(source: unknown): void {
  const range = currentZoom();
  for (const listener of [...listeners]) listener(range, source);
}

/** `source` is told too, so that who caused a change can leave itself alone. */
export function setZoom(range: Range | null, source: unknown = null, of: Axis = axis): void {
  if (same(range, ranges.get(of) ?? null)) return;
  ranges.set(of, range);
  if (of === axis) tell(source);
}

/** Another axis shows all; coming back to the steps shows those that were in view. */
export function setAxis(next: Axis): void {
  if (next === axis) return;
  if (axis !== "step") ranges.delete(axis);
  axis = next;
  tell(null);
}

/** The axis in force. */
export function useAxis(): Axis {
  const [now, set] = useState(axis);
  useEffect(() => {
    set(axis);
    return onZoom(() => set(axis));
  }, []);
  return now;
}

export function onZoom(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** A range inside `extent`, at least one step wide; null where it is all of it. */
export function limited([from, to]: Range, [first, last]: Range): Range | null {
  const width = Math.min(Math.max(to - from, 1), Math.max(1, last - first));
  const start = Math.min(Math.max(from, first), last - width);
  if (start <= first && start + width >= last) return null;
  return [start, start + width];
}

/** What was typed as two steps: each end is pulled inside `extent` by itself; null where it is all of it. */
export function between([from, to]: Range, [first, last]: Range): Range | null {
  const start = Math.min(Math.max(from, first), Math.max(first, last - 1));
  const end = Math.max(Math.min(to, last), start + 1);
  return start === first && end >= last ? null : [start, end];
}

/** Zoomed by a factor (< 1 is closer) around a step that stays where it is. */
export function zoomedBy(factor: number, around: number, extent: Range): Range | null {
  const [from, to] = currentZoom() ?? extent;
  const centre = Math.min(to, Math.max(from, around));
  return limited([centre - (centre - from) * factor, centre + (to - centre) * factor], extent);
}

/** Moved by a share of its own width. */
export function movedBy(share: number, extent: Range): Range | null {
  const range = currentZoom();
  if (!range) return null;
  const by = (range[1] - range[0]) * share;
  return limited([range[0] + by, range[1] + by], extent);
}

/** The range once it has been left alone for a moment: what data are asked for, what goes into the link. */
export function useSettledZoom(quiet = 150): Range | null {
  const [settled, settle] = useState(() => ({ axis, range: currentZoom() }));
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let before = axis;
    const take = () => settle({ axis, range: currentZoom() });
    take();
    const stop = onZoom(() => {
      clearTimeout(timer);
      // A range of another axis means nothing on this one.
      if (axis === before) timer = setTimeout(take, quiet);
      else take();
      before = axis;
    });
    return () => {
      clearTimeout(timer);
      stop();
    };
  }, [quiet]);
  return settled.axis === axis ? settled.range : null;
}
