/** A curve as small as a word: its course, nothing to read off. */
import type { Column } from "../data/table";

const WIDTH = 64;
const HEIGHT = 16;

/** Beyond so many times between the smallest and the largest, curves that share a scale are drawn by their logarithm. */
const FAR = 100;

/** As they are, or as logarithms; zero and below has none, and is a gap. */
function scaled(values: number[], shared: readonly [number, number] | undefined): number[] {
  const [low, high] = shared ?? [0, 0];
  return low > 0 && high / low > FAR ? values.map(Math.log) : values;
}

/** Path through the values from left to right; gaps stay gaps. */
export function sparkPath(column: Column, shared?: readonly [number, number]): string {
  const values = scaled([...column.last], shared);
  const finite = values.filter(Number.isFinite);
  if (finite.length < 2) return "";
  const [low, high] = shared ? scaled([...shared], shared) : [Math.min(...finite), Math.max(...finite)];
  const x = (at: number) => ((at / (values.length - 1)) * WIDTH).toFixed(1);
  const span = (high ?? 0) - (low ?? 0) || 1;
  const y = (value: number) => (HEIGHT - 1 - ((value - (low ?? 0)) / span) * (HEIGHT - 2)).toFixed(1);
  let pen = "M";
  let path = "";
  values.forEach((value, at) => {
    if (Number.isFinite(value)) path += `${pen}${x(at)} ${y(value)}`;
    pen = Number.isFinite(value) ? "L" : "M";
  });
  return path;
}

interface Props {
  column: Column;
  /** The smallest and the largest value of all curves beside it, so that what is large looks large. */
  range?: readonly [number, number] | undefined;
}

export function Spark({ column, range }: Props) {
  const path = sparkPath(column, range);
  if (path === "") return null;
  return (
    <svg class="spark" width={WIDTH} height={HEIGHT} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden="true">
      <path d={path} />
    </svg>
  );
}
