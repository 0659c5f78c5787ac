/** The series of a line chart: the line with its marks, the band of extremes, and the zeros a log axis cannot show. */
import type { Line } from "./series";
import type { LineSpec, Option } from "./spec";

const DASHES = ["solid", "dashed", "dotted"] as const;

/** The line's own place in the palette, or its place in the chart. */
export function placeOf(line: Line | undefined, index: number): number {
  return line?.colour ?? index;
}

export function colourOf(spec: LineSpec, index: number): string {
  if (spec.lines[index]?.apart) return spec.palette.text;
  const own = spec.lines[index]?.ink;
  if (own) return own;
  const place = placeOf(spec.lines[index], index);
  return spec.palette.series[place % spec.palette.series.length] ?? spec.palette.text;
}

interface Hole {
  first: number;
  last: number;
  names: string[];
}

/** Steps at which lines are not numbers; where those of several meet, they are one. */
export function holesOf(lines: readonly Line[]): Hole[] {
  const all = lines.flatMap(({ name, nonFinite }) =>
    nonFinite.map(([first, last]) => ({ first, last, name })),
  );
  const holes: Hole[] = [];
  for (const { first, last, name } of all.sort((a, b) => a.first - b.first)) {
    const open = holes.at(-1);
    if (!open || first > open.last) holes.push({ first, last, names: [name] });
    else {
      open.last = Math.max(open.last, last);
      if (!open.names.includes(name)) open.names.push(name);
    }
  }
  return holes;
}

/** Names so short that a label over a hole can hold them. */
const SHORT = 24;

/** Ranges that are not numbers, painted once: on the first line; where there are several lines, with whose they are. */
function markArea(spec: LineSpec): Option {
  const color = spec.palette.severity.error;
  const middle = (spec.extent[0] + spec.extent[1]) / 2;
  const holes = holesOf(spec.lines).map(({ first, last, names }) => {
    const whose = names.join(", ");
    const name = spec.lines.length > 1 && whose.length < SHORT ? `${spec.words.nonFinite}: ${whose}` : "";
    return [
      {
        xAxis: first,
        name: name || spec.words.nonFinite,
        itemStyle: { color, opacity: 0.22, borderColor: color, borderWidth: 1 },
        // Above the curves, and towards the middle of the chart, so that a hole at its edge keeps its name.
        label: {
          ...{ color, fontSize: 11, fontWeight: "bold" },
          ...(first > middle
            ? { position: ["100%", -HOLE_NAME], align: "right" }
            : { position: [0, -HOLE_NAME], align: "left" }),
        },
      },
      { xAxis: last },
    ];
  });
  return { silent: true, data: holes };
}

/** Height of a finding's lane above the curves, and the room under the lanes for the axis's highest number. */
const LANE = 12;
const UNDER = 8;
/** Lanes that a small chart has room for. */
const MOST_LANES = 3;

interface LaneParams {
  coordSys: { x: number; y: number; width: number };
}

/** Height of the line above the curves in which holes have their names. */
const HOLE_NAME = 14;

function holesHeight(lines: readonly Line[]): number {
  return lines.some(({ nonFinite }) => nonFinite.length > 0) ? HOLE_NAME : 0;
}

/** Height of what stands between the title and the curves: lanes of findings, names of holes. */
export function roomAbove({ marks, lines }: Pick<LineSpec, "marks" | "lines">): number {
  const lanes = marks.length === 0 ? 0 : UNDER + LANE * Math.min(MOST_LANES, marks.length);
  return lanes + holesHeight(lines);
}

/** A value that the axis has anyway: lanes must not stretch it. */
function anchorOf({ lines, log }: LineSpec): number {
  const values = lines.flatMap(({ points }) => points.map(([, value]) => value));
  return values.find((value) => value !== null && (!log || value > 0)) ?? 1;
}

/** Findings, each in a lane of its own above the curves: tints behind them would add up to a colour that means nothing. */
export function laneSeries(spec: LineSpec): Option | null {
  const marks = spec.marks.slice(0, MOST_LANES);
  if (marks.length === 0) return null;
  const renderItem = ({ coordSys: { x, y, width } }: LaneParams, api: RenderApi) => {
    const [right, under] = [x + width, UNDER + holesHeight(spec.lines)];
    const at = (step: number) => Math.min(right, Math.max(x, api.coord([step, 1])[0]));
    const children = marks.flatMap((mark, index): Option[] => {
      const fill = spec.palette.severity[mark.severity];
      const top = y - under - LANE * (marks.length - index);
      const [from, to] = [at(mark.first), at(mark.last)];
      if (api.coord([mark.last, 1])[0] < x || api.coord([mark.first, 1])[0] > right) return [];
      const bar = { x: from, y: top + 4, width: Math.max(3, to - from), height: 4 };
      const rest = { x: to, y: top + 5, width: right - to, height: 2 };
      const label = { text: mark.label, x: x - 6, y: top, fill, font: "10px sans-serif", align: "right" };
      return [
        ...(mark.ongoing && rest.width > 1
          ? [{ type: "rect", shape: rest, style: { fill, opacity: 0.35 } }]
          : []),
        { type: "rect", shape: bar, style: { fill } },
        { type: "text", style: label },
      ];
    });
    return { type: "group", children };
  };
  return {
    type: "custom",
    silent: true,
    clip: false,
    data: [[spec.extent[0], anchorOf(spec)]],
    renderItem,
    tooltip: { show: false },
  };
}

/** What lets words be told from a curve that passes behind them. */
export function haloOf({ palette }: LineSpec): Option {
  return { textBorderColor: palette.background, textBorderWidth: 3 };
}

/** The largest value of these lines. */
function highestOf(lines: readonly Line[]): number {
  return Math.max(...lines.flatMap(({ peak, points }) => peak?.[1] ?? points.map(([, value]) => value ?? 0)));
}

/** From the chart's first to its last step: on a logarithmic axis ECharts draws no line that is given its height alone. */
function boundLine(spec: LineSpec, { value, label }: LineSpec["thresholds"][number]): Option | Option[] {
  const color = spec.palette.severity.error;
  // Where there is no point with a number of its own.
  const late = spec.deciding.some(({ step }) => step > (spec.extent[0] + 3 * spec.extent[1]) / 4);
  const line = {
    yAxis: value,
    lineStyle: { color, type: "dashed", width: 1.5 },
    label: {
      ...{ formatter: label, color, ...haloOf(spec) },
      position: `inside${late ? "Start" : "End"}${value < highestOf(spec.lines) ? "Top" : "Bottom"}`,
    },
  };
  const [first, last] = spec.extent;
  return spec.log
    ? [
        { ...line, xAxis: first },
        { xAxis: last, yAxis: value },
      ]
    : line;
}

function markLine(spec: LineSpec): Option {
  return {
    silent: true,
    symbol: "none",
    data: spec.thresholds.map((each) => boundLine(spec, each)),
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
    lineStyle: {
      width: 1.6,
      type: line.apart
        ? "dotted"
        : DASHES[Math.floor(placeOf(line, index) / spec.palette.series.length) % DASHES.length],
    },
    ...(spec.stacked && !line.apart ? { stack: "all", areaStyle: { opacity: 0.5 } } : {}),
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
