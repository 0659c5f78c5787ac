/** ECharts option of a line chart: a pure function from a spec to a plain object. */
import { bandSeries, haloOf, laneSeries, lineSeries, roomAbove, zeroSeries } from "./lineSeries";
import { floorOf, type Line } from "./series";
import type { LineSpec, Option } from "./spec";

/** Fixed room beside the curves, so that charts under each other, and lanes under a chart, line up. */
export const GUTTER = 72;
export const MARGIN = 48;

function axisBase(spec: LineSpec): Option {
  const { palette } = spec;
  return {
    axisLine: { lineStyle: { color: palette.muted } },
    axisLabel: { color: palette.text, hideOverlap: true },
    splitLine: { lineStyle: { color: palette.grid } },
    nameTextStyle: { color: palette.muted },
  };
}

function xAxis(spec: LineSpec): Option {
  const [min, max] = spec.extent;
  return {
    ...axisBase(spec),
    type: "value",
    name: spec.words.step,
    nameLocation: "end",
    min,
    max: Math.max(max, min + 1),
    minInterval: 1,
    splitLine: { show: false },
    minorTick: { show: true },
    axisLabel: { color: spec.palette.text, hideOverlap: true, formatter: spec.format.step },
  };
}

const FEWEST = 3;
const MOST = 12;

/** Significant digits that tell the ticks of these lines apart: more than three where all values are nearly the same. */
export function digitsOf(lines: readonly Line[]): number {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  const widen = (value: number | null) => {
    if (value === null || !Number.isFinite(value)) return;
    low = Math.min(low, value);
    high = Math.max(high, value);
  };
  for (const line of lines) {
    for (const [, value] of line.points) widen(value);
    for (const [, least, most] of line.band) [least, most].forEach(widen);
  }
  if (!(high > low)) return FEWEST;
  const ratio = Math.max(Math.abs(low), Math.abs(high)) / (high - low);
  return Math.min(MOST, FEWEST + Math.max(0, Math.ceil(Math.log10(ratio))));
}

/** Whole decades where they are few, so that even half a decade has ticks around it that can be read. */
function decades(spec: LineSpec): Option {
  const bounds = spec.thresholds.map(({ value }) => value).filter((value) => value > 0);
  const range = rangeOf(spec.lines);
  const [low, high] = [Math.min(...range, ...bounds), Math.max(...range, ...bounds)];
  const [from, to] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  if (!(high > low) || to - from > 2) return {};
  return { min: 10 ** from, max: 10 ** to };
}

/** The smallest value above zero and the largest one. */
function rangeOf(lines: readonly Line[]): [number, number] {
  let high = 0;
  for (const line of lines) {
    for (const [, value] of line.points) if (value !== null && value > high) high = value;
    for (const [, , top] of line.band) if (top > high) high = top;
  }
  return [floorOf([...lines]), high];
}

function yAxis(spec: LineSpec, formatter: (value: number) => string): Option {
  const base = {
    ...axisBase(spec),
    name: spec.title,
    nameLocation: "end",
    nameGap: 6 + roomAbove(spec),
    nameTextStyle: { color: spec.palette.muted, align: "left", padding: [0, 0, 0, 4 - GUTTER], fontSize: 11 },
  };
  const labels = { color: spec.palette.text, hideOverlap: true, formatter };
  if (spec.log) {
    const minor = { minorTick: { show: true, splitNumber: 9 }, minorSplitLine: { show: false } };
    return { ...base, ...minor, ...decades(spec), type: "log", axisLabel: labels };
  }
  if (spec.bounds) {
    const [min, max] = spec.bounds;
    return { ...base, type: "value", min, max, axisLabel: labels };
  }
  return { ...base, type: "value", scale: !spec.stacked, axisLabel: labels };
}

/** Canvas text, not HTML: series names come from the user's model. */
function tooltip(spec: LineSpec, write: (value: number) => string): Option {
  return {
    trigger: "axis",
    renderMode: "richText",
    backgroundColor: spec.palette.background,
    borderColor: spec.palette.muted,
    textStyle: { color: spec.palette.text, fontSize: 12 },
    axisPointer: {
      label: { formatter: (at: { value: number }) => (spec.format.tip ?? spec.format.place)(at.value) },
    },
    valueFormatter: (value: unknown) => (typeof value === "number" ? write(value) : "–"),
  };
}

const LONGEST_NAME = 48;

/** Names short enough to stand above a chart; those that would be the same are numbered. */
export function shortNames(names: string[]): string[] {
  const seen = new Map<string, number>();
  return names.map((name) => {
    const short = name.length > LONGEST_NAME ? `…${name.slice(1 - LONGEST_NAME)}` : name;
    const count = (seen.get(short) ?? 0) + 1;
    seen.set(short, count);
    return count > 1 ? `${short} (${count})` : short;
  });
}

/** Unseen points at the thresholds: an axis reaches as far as its series, and a bound that was held against a curve belongs on it. */
function boundSeries(spec: LineSpec): Option {
  const shown = spec.thresholds.filter(({ value }) => !spec.log || value > 0);
  return {
    type: "line",
    data: shown.map(({ value }) => [spec.extent[0], value]),
    ...{ silent: true, showSymbol: false, lineStyle: { width: 0 }, tooltip: { show: false } },
  };
}

/** Beside a point where its number would lie on the chart's edge, else above it, below it where it is the highest. */
function sideOf(step: number, value: number, { extent: [first, last], lines }: LineSpec): string {
  const place = (step - first) / Math.max(1, last - first);
  if (place < 0.03) return "right";
  if (place > 0.97) return "left";
  return value < rangeOf(lines)[1] ? "top" : "bottom";
}

/** The points that a rule decided on, each with its number. */
function decidingSeries(spec: LineSpec): Option {
  const color = spec.palette.severity.error;
  return {
    type: "line",
    data: spec.deciding.map(({ step, value, label }) => ({
      value: [step, value],
      label: {
        ...{ show: true, formatter: label, color, fontSize: 11 },
        fontWeight: "bold",
        position: sideOf(step, value, spec),
        ...haloOf(spec),
      },
    })),
    ...{ color, silent: true, z: 4, showSymbol: true, symbol: "circle", symbolSize: 8 },
    ...{ lineStyle: { width: 0 }, tooltip: { show: false } },
  };
}

/** Below this the chart's library rounds the numbers of an axis to nothing. */
const TINY = 1e-12;

/** A picture of very small values is drawn of values that are as many times larger; what is written is divided again. */
export function magnified(spec: LineSpec): LineSpec {
  const { bounds, lines, format } = spec;
  const high = lines.reduce((most, { points, band }) => {
    const tops = [
      ...points.map(([, value]) => Math.abs(value ?? 0)),
      ...band.map(([, , top]) => Math.abs(top)),
    ];
    return tops.reduce((a, b) => Math.max(a, b), most);
  }, 0);
  if (bounds || !(high > 0) || high >= TINY) return spec;
  const by = 10 ** -Math.floor(Math.log10(high));
  const times = (value: number) => value * by;
  return {
    ...spec,
    lines: lines.map((line) => ({
      ...line,
      points: line.points.map(([step, value]) => [step, value === null ? null : times(value)]),
      band: line.band.map(([step, low, top]) => [step, times(low), times(top)]),
    })),
    thresholds: spec.thresholds.map((each) => ({ ...each, value: times(each.value) })),
    deciding: spec.deciding.map((each) => ({ ...each, value: times(each.value) })),
    format: {
      ...format,
      value: (value, digits) => format.value(Number((value / by).toPrecision(12)), digits),
    },
  };
}

export function lineOption(original: LineSpec): Option {
  const given = magnified(original);
  const names = shortNames(given.lines.map((line) => line.name));
  const spec = {
    ...given,
    lines: given.lines.map((line, at) => ({ ...line, name: names[at] ?? line.name })),
  };
  const digits = digitsOf(spec.lines);
  const write = (value: number) => spec.format.value(value, digits);
  const floor = spec.log ? floorOf(spec.lines) : 0;
  const bands = spec.stacked ? [] : spec.lines.map((line, index) => bandSeries(spec, line, index, floor));
  const lines = spec.lines.map((line, index) => lineSeries(spec, line, index));
  const zeros = spec.log ? spec.lines.map((line, index) => zeroSeries(spec, line, index, floor)) : [];
  const lanes = laneSeries(spec);
  const top = 4 + (spec.title === "" ? 4 : 16) + roomAbove(spec);
  return {
    animation: false,
    backgroundColor: "transparent",
    color: spec.palette.series,
    // Fixed margins: charts under each other line up, and nothing is measured anew while zooming.
    grid: { left: GUTTER, right: MARGIN, top, bottom: 28, outerBoundsMode: "none" },
    tooltip: tooltip(spec, write),
    xAxis: xAxis(spec),
    yAxis: yAxis(spec, write),
    dataZoom: [
      { type: "inside", filterMode: "none", throttle: 16, zoomOnMouseWheel: "ctrl", moveOnMouseWheel: false },
    ],
    series: [
      ...bands.filter((band) => band !== null),
      ...lines,
      ...zeros.filter((zero) => zero !== null),
      ...(spec.thresholds.length > 0 && !spec.bounds ? [boundSeries(spec)] : []),
      ...(lanes ? [lanes] : []),
      ...(spec.deciding.length > 0 ? [decidingSeries(spec)] : []),
    ],
  };
}
