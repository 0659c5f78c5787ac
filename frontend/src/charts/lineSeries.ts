/** The series of a line chart: the line with its marks, the band of extremes, and the zeros a log axis cannot show. */
import type { Line } from "./series";
import type { LineSpec, Option } from "./spec";

const DASHES = ["solid", "dashed", "dotted"] as const;

function colourOf(spec: LineSpec, index: number): string {
  return spec.palette.series[index % spec.palette.series.length] ?? spec.palette.text;
}

/** Findings and non-finite ranges, painted once: on the first line. */
function markArea(spec: LineSpec): Option {
  // Many findings over the same steps would add up to a solid block.
  const opacity = spec.marks.length > 2 ? 0.06 : 0.13;
  const findings = spec.marks.map((mark) => {
    const color = spec.palette.severity[mark.severity];
    return [
      {
        xAxis: mark.first,
        name: mark.label,
        itemStyle: { color, opacity, borderColor: color, borderWidth: 1, borderType: "dashed" },
        label: { color, position: "insideTopLeft", fontSize: 11 },
      },
      { xAxis: mark.last },
    ];
  });
  const color = spec.palette.severity.error;
  const holes = spec.lines.flatMap((line) =>
    line.nonFinite.map(([first, last]) => [
      {
        xAxis: first,
        name: spec.words.nonFinite,
        itemStyle: { color, opacity: 0.22, borderColor: color, borderWidth: 1 },
        label: { color, position: "insideBottom", fontSize: 11, fontWeight: "bold" },
      },
      { xAxis: last },
    ]),
  );
  return { silent: true, data: [...findings, ...holes] };
}

function markLine(spec: LineSpec): Option {
  return {
    silent: true,
    symbol: "none",
    data: spec.thresholds.map(({ value, label }) => ({
      yAxis: value,
      lineStyle: { color: spec.palette.severity.error, type: "dashed", width: 1.5 },
      label: { formatter: label, color: spec.palette.severity.error, position: "insideEndTop" },
    })),
  };
}

export function lineSeries(spec: LineSpec, line: Line, index: number): Option {
  // A log axis has no place for zero and below: a gap here, a marker from zeroSeries.
  const data = spec.log
    ? line.points.map(([step, value]) => [step, value !== null && value > 0 ? value : null])
    : line.points;
  return {
    type: "line",
    name: line.name,
    data,
    color: colourOf(spec, index),
    showSymbol: data.length === 1,
    symbolSize: 4,
    connectNulls: false,
    lineStyle: { width: 1.6, type: DASHES[Math.floor(index / spec.palette.series.length) % DASHES.length] },
    ...(spec.stacked ? { stack: "all", areaStyle: { opacity: 0.5 } } : {}),
    ...(index === 0 ? { markArea: markArea(spec), markLine: markLine(spec) } : {}),
  };
}

interface RenderApi {
  coord: (point: [number, number]) => [number, number];
}

type Span = [number, number, number];

/** Stretches of points without a gap, each as step, smallest, largest. */
export function stretchesOf(line: Line): Span[][] {
  const wide = new Map(line.band.map((span) => [span[0], span]));
  const stretches: Span[][] = [[]];
  for (const [step, value] of line.points) {
    const span = wide.get(step) ?? (value === null ? null : ([step, value, value] as Span));
    if (span) stretches.at(-1)?.push(span);
    else stretches.push([]);
  }
  return stretches.filter((stretch) => stretch.length > 0);
}

/** Straight maps from steps and values to pixels, from four known points: asking for every point is what makes zooming slow. */
function scales(spec: LineSpec, api: RenderApi, low: number, high: number) {
  const [first, last] = spec.extent;
  const top = high > low ? high : low + Math.max(1, Math.abs(low));
  const [left, bottom] = api.coord([first, low]);
  const [right, up] = api.coord([Math.max(last, first + 1), top]);
  const f = spec.log ? Math.log : (value: number) => value;
  const perStep = (right - left) / Math.max(1, last - first);
  const perValue = (up - bottom) / (f(top) - f(low));
  return {
    x: (step: number) => left + (step - first) * perStep,
    y: (value: number) => bottom + (f(Math.max(value, spec.log ? low : value)) - f(low)) * perValue,
  };
}

/** From the smallest to the largest value of every point, as one shape per stretch: extremes are never smoothed away. */
export function bandSeries(spec: LineSpec, line: Line, index: number, floor: number): Option | null {
  if (line.band.length === 0) return null;
  const stretches = stretchesOf(line);
  const spans = stretches.flat();
  const low = spans.reduce(
    (a, [, bottom]) => Math.min(a, spec.log ? Math.max(floor, bottom) : bottom),
    Number.POSITIVE_INFINITY,
  );
  const high = spans.reduce((a, [, , top]) => Math.max(a, top), low);
  const stroke = colourOf(spec, index);
  const style = { fill: stroke, stroke, lineWidth: 1, opacity: 0.32 };
  return {
    type: "custom",
    name: `${line.name} ↕`,
    data: [[line.band[0]?.[0], low, high]],
    encode: { x: 0, y: [1, 2] },
    tooltip: { show: false },
    silent: true,
    clip: true,
    z: 1,
    renderItem: (_: unknown, api: RenderApi) => {
      const { x, y } = scales(spec, api, low, high);
      const children = stretches.map((stretch) => {
        const upper = stretch.map(([step, , top]) => [x(step), y(top)]);
        const lower = stretch.map(([step, bottom]) => [x(step), y(bottom)]).reverse();
        return { type: "polygon", shape: { points: [...upper, ...lower] }, style };
      });
      return { type: "group", children };
    },
  };
}

export function zeroSeries(spec: LineSpec, line: Line, index: number, floor: number): Option | null {
  if (line.zeros.length === 0) return null;
  return {
    type: "line",
    name: `${line.name}: ${spec.words.zero}`,
    data: line.zeros.map((step) => [step, floor]),
    color: colourOf(spec, index),
    lineStyle: { width: 0 },
    showSymbol: true,
    symbol: "emptyTriangle",
    symbolRotate: 180,
    symbolSize: 6,
    tooltip: { show: false },
  };
}
