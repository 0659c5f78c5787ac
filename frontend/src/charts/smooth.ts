/** Smoothing that hides nothing: the line is an average, the band behind it what was recorded, with every extreme. */
import type { Line } from "./series";

/** Exponential average with so much weight on what came before, without the pull of its start; it begins anew after a gap. */
export function smoothed(line: Line, weight: number): Line {
  if (weight <= 0) return line;
  const wide = new Map(line.band.map((span) => [span[0], span]));
  const band: Line["band"] = [];
  let [sum, count] = [0, 0];
  const points = line.points.map(([step, value]): [number, number | null] => {
    if (value === null) {
      [sum, count] = [0, 0];
      return [step, null];
    }
    sum = weight * sum + (1 - weight) * value;
    count++;
    band.push(wide.get(step) ?? [step, value, value]);
    return [step, sum / (1 - weight ** count)];
  });
  return { ...line, points, band };
}
