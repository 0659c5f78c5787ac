/** The course of a run's loss, as small as a word. */

const WIDTH = 72;
const HEIGHT = 18;
const TOP = 35;

/** Path through the characters of a curve; what is no number is a gap, and a last gap is marked. */
export function curvePath(curve: string): string {
  const step = curve.length > 1 ? (WIDTH - 4) / (curve.length - 1) : 0;
  let pen = "M";
  let path = "";
  [...curve].forEach((character, at) => {
    const level = Number.parseInt(character, 36);
    if (Number.isNaN(level)) {
      pen = "M";
      return;
    }
    const y = HEIGHT - 2 - (level / TOP) * (HEIGHT - 4);
    path += `${pen}${(2 + at * step).toFixed(1)} ${y.toFixed(1)}`;
    pen = "L";
  });
  return path;
}

/** Where the curve stops being a number for good, in pixels; null where it does not. */
export function brokenFrom(curve: string): number | null {
  const gap = /-+$/.exec(curve);
  if (!gap || curve.length < 2) return null;
  return 2 + (gap.index * (WIDTH - 4)) / (curve.length - 1);
}

export function RunSpark({ curve }: { curve: string }) {
  if (curve === "") return null;
  const broken = brokenFrom(curve);
  return (
    <svg class="spark" width={WIDTH} height={HEIGHT} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden="true">
      <path d={curvePath(curve)} />
      {broken !== null ? (
        <rect class="spark-broken" x={broken} y="1" width={WIDTH - broken} height={HEIGHT - 2} />
      ) : null}
    </svg>
  );
}
