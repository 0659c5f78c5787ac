/** Which rows of a long list are in view: only those are made. */
import { useEffect, useRef, useState } from "preact/hooks";

/** Rows on both sides of what is in view: a fast scroll shows no gap, and Tab finds the next row. */
const MARGIN = 12;
const USUAL_HEIGHT = 600;

export interface InView {
  first: number;
  /** One behind the last. */
  end: number;
  /** Pixels of what lies above and below. */
  above: number;
  below: number;
}

export function inView(heights: readonly number[], top: number, height: number): InView {
  const starts: number[] = [];
  let sum = 0;
  for (const each of heights) {
    starts.push(sum);
    sum += each;
  }
  let first = starts.findIndex((start, at) => start + (heights[at] ?? 0) > top);
  if (first < 0) first = Math.max(0, heights.length - 1);
  let end = first;
  while (end < heights.length && (starts[end] ?? 0) < top + height) end++;
  first = Math.max(0, first - MARGIN);
  end = Math.min(heights.length, end + MARGIN);
  const bottom = end < heights.length ? (starts[end] ?? sum) : sum;
  return { first, end, above: starts[first] ?? 0, below: sum - bottom };
}

/** The rows in view of an element that scrolls, followed as it does. */
export function useInView(heights: readonly number[]) {
  const box = useRef<HTMLElement>(null);
  const [seen, setSeen] = useState({ top: 0, height: USUAL_HEIGHT });
  const look = () => {
    const { scrollTop = 0, clientHeight = 0 } = box.current ?? {};
    const height = clientHeight || USUAL_HEIGHT;
    setSeen((old) => (old.top === scrollTop && old.height === height ? old : { top: scrollTop, height }));
  };
  useEffect(look, [heights]);
  useEffect(() => {
    window.addEventListener("resize", look);
    return () => window.removeEventListener("resize", look);
  }, []);
  return { box, look, ...inView(heights, seen.top, seen.height) };
}
