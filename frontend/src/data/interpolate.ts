/** Straight lines between known points. */

/** The y at an x; beyond the ends the first and the last y. `xs` never falls. */
export function interpolate(x: number, xs: ArrayLike<number>, ys: ArrayLike<number>): number {
  let low = 0;
  let high = xs.length - 1;
  if (x <= (xs[low] ?? 0)) return ys[low] ?? NaN;
  if (x >= (xs[high] ?? 0)) return ys[high] ?? NaN;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((xs[middle] ?? 0) <= x) low = middle;
    else high = middle;
  }
  const [left = 0, right = 0, from = NaN, to = NaN] = [xs[low], xs[high], ys[low], ys[high]];
  return from + ((to - from) * (x - left)) / (right - left || 1);
}
