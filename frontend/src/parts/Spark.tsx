/** A curve as small as a word: its course, nothing to read off. */
import type { Column } from "../data/table";

const WIDTH = 64;
const HEIGHT = 16;

/** Path through the values from left to right; gaps stay gaps. */
export function sparkPath(column: Column): string {
  const values = [...column.last];
  const finite = values.filter(Number.isFinite);
  if (finite.length < 2) return "";
  const [low, high] = [Math.min(...finite), Math.max(...finite)];
  const x = (at: number) => ((at / (values.length - 1)) * WIDTH).toFixed(1);
  const y = (value: number) => (HEIGHT - 1 - ((value - low) / (high - low || 1)) * (HEIGHT - 2)).toFixed(1);
  let pen = "M";
  let path = "";
  values.forEach((value, at) => {
    if (Number.isFinite(value)) path += `${pen}${x(at)} ${y(value)}`;
    pen = Number.isFinite(value) ? "L" : "M";
  });
  return path;
}

export function Spark({ column }: { column: Column }) {
  const path = sparkPath(column);
  if (path === "") return null;
  return (
    <svg class="spark" width={WIDTH} height={HEIGHT} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden="true">
      <path d={path} />
    </svg>
  );
}
