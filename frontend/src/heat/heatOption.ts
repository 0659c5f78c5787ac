/** ECharts option of the heat map: the library's axes and zoom around one painted picture. */
import type { Palette } from "../charts/palette";
import type { Option } from "../charts/spec";
import type { Mark } from "../data/findings";
import type { Severity } from "../data/types";
import type { Range } from "../data/zoom";
import { RAIL } from "./events";

/** Where the picture goes (CSS pixels) and which steps it shows. */
export interface Frame {
  x: number;
  y: number;
  width: number;
  height: number;
  from: number;
  to: number;
}

export interface HeatSpec {
  /** A name per row in view, "" for rows without one. */
  rows: string[];
  /** What a finding says of each row in view. */
  badges: (Severity | undefined)[];
  /** The longest of all names, in characters: a zoom must not move the picture sideways. */
  widest: number;
  extent: Range;
  /** Steps behind the last record that its cell is wide. */
  tail: number;
  palette: Palette;
  formatStep: (value: number) => string;
  /** Row in view that is open, to be outlined; -1 for none. */
  selected: number;
  /** Findings, each in a lane of its own above the picture. */
  marks: Mark[];
  layout: Layout;
  /** Per bucket what stands out, and the first step of each. */
  rail: Uint8Array;
  railSteps: Float64Array;
  draw: (frame: Frame) => HTMLCanvasElement | null;
}

interface RenderParams {
  coordSys: { x: number; y: number; width: number; height: number };
}
interface RenderApi {
  coord: (point: [number, number]) => [number, number];
}

const RAIL_HEIGHT = 16;
const LANE = 12;
const BAR = 6;
/** Lanes of findings: what is more shares the last one. */
export const MOST_LANES = 5;
const AXIS_HEIGHT = 64;
const GLYPH = 7;

/** The frame in force: the steps at the left and right edge follow from where the full range lies. */
export function frameOf(params: RenderParams, api: RenderApi, [first, last]: Range): Frame {
  const { coordSys } = params;
  // Whole pixels: a picture that is shifted by a fraction blurs, and a single cell is lost.
  const [x, y] = [Math.round(coordSys.x), Math.round(coordSys.y)];
  const width = Math.round(coordSys.x + coordSys.width) - x;
  const height = Math.round(coordSys.y + coordSys.height) - y;
  const end = last > first ? last : first + 1;
  const [left] = api.coord([first, 0]);
  const [right] = api.coord([end, 0]);
  const perPixel = (end - first) / (right - left);
  return {
    x,
    y,
    width,
    height,
    from: first + (x - left) * perPixel,
    to: first + (x + width - left) * perPixel,
  };
}

/** A lane per finding, named at its left; where nobody looked any more it goes on pale. */
function findingLanes(spec: HeatSpec, frame: Frame): Option[] {
  const at = (step: number) => {
    const share = (step - frame.from) / (frame.to - frame.from);
    return frame.x + frame.width * Math.min(1, Math.max(0, share));
  };
  const top = frame.y - RAIL_HEIGHT - LANE * lanesOf(spec.marks);
  // The worst is painted last: where lanes are shared, nothing lies over it.
  return spec.marks
    .map((mark, index): Option[] => {
      const fill = spec.palette.severity[mark.severity];
      const y = top + LANE * Math.min(index, MOST_LANES - 1);
      const [left, right] = [at(mark.first), at(mark.last + spec.tail)];
      const seen = mark.last + spec.tail >= frame.from && mark.first <= frame.to;
      const bar = { x: left, y: y + 3, width: Math.max(3, right - left), height: BAR };
      const rest = { ...bar, x: right, width: at(spec.extent[1] + spec.tail) - right, y: y + 5, height: 2 };
      const name = index < MOST_LANES - 1 || spec.marks.length === MOST_LANES ? mark.label : "…";
      const text = { text: name, x: frame.x - 8, y, fill, font: "10px sans-serif", align: "right" };
      return [
        { type: "text", style: text },
        ...(mark.ongoing && rest.width > 1
          ? [{ type: "rect", shape: rest, style: { fill, opacity: 0.35 } }]
          : []),
        ...(seen ? [{ type: "rect", shape: bar, style: { fill } }] : []),
      ];
    })
    .reverse()
    .flat();
}

/** Diamonds over what is not a number, triangles over peaks; neighbours share one. */
function glyphs(spec: HeatSpec, frame: Frame): Option[] {
  const marks: Option[] = [];
  let free = Number.NEGATIVE_INFINITY;
  for (const bits of [RAIL.broken, RAIL.spike]) {
    free = Number.NEGATIVE_INFINITY;
    for (let bucket = 0; bucket < spec.rail.length; bucket++) {
      if (((spec.rail[bucket] ?? 0) & bits) === 0) continue;
      const share = ((spec.railSteps[bucket] ?? 0) - frame.from) / (frame.to - frame.from);
      const x = frame.x + share * frame.width;
      if (share < 0 || share > 1 || x < free) continue;
      free = x + GLYPH + 1;
      marks.push(glyph(spec, bits, x, frame.y - 5));
    }
  }
  return marks;
}

function glyph({ palette }: HeatSpec, bits: number, x: number, y: number): Option {
  const r = GLYPH / 2;
  const diamond = [
    [x, y - r],
    [x + r, y],
    [x, y + r],
    [x - r, y],
  ];
  const triangle = [
    [x, y - r],
    [x + r, y + r],
    [x - r, y + r],
  ];
  const broken = bits === RAIL.broken;
  const fill = broken ? palette.severity.error : palette.severity.warning;
  return { type: "polygon", shape: { points: broken ? diamond : triangle }, style: { fill } };
}

function picture(spec: HeatSpec): Option {
  return {
    type: "custom",
    silent: true,
    data: [[spec.extent[0], 0]],
    renderItem: (params: RenderParams, api: RenderApi) => {
      const frame = frameOf(params, api, spec.extent);
      const image = spec.draw(frame);
      if (!image) return null;
      const { x, y, width, height } = frame;
      const rowHeight = height / spec.rows.length;
      const outline = { x, y: y + spec.selected * rowHeight, width, height: rowHeight };
      const stroke = { fill: "none", stroke: spec.palette.text, lineWidth: 1.5 };
      const children: Option[] = [{ type: "image", style: { image, x, y, width, height } }];
      if (spec.layout.above) children.push(...namesAbove(spec, frame));
      if (spec.selected >= 0) children.push({ type: "rect", shape: outline, style: stroke });
      children.push(...findingLanes(spec, frame), ...glyphs(spec, frame));
      return { type: "group", children };
    },
  };
}

const LONGEST = 30;

/** Long names keep their end: that is where layers differ. */
export function shortName(name: string, longest = LONGEST): string {
  return name.length > longest ? `…${name.slice(1 - longest)}` : name;
}

/** The ink of a row's name. */
function nameInk({ badges, palette }: HeatSpec, row: number): string {
  const badge = badges[row];
  return badge ? palette.severity[badge] : palette.text;
}

/** Names in a strip above each row's cells, where there is no room beside them. */
function namesAbove(spec: HeatSpec, { x, y, width, height }: Frame): Option[] {
  const fits = Math.floor(width / CHARACTER);
  const rowHeight = height / spec.rows.length;
  const strip = { x, width, height: STRIP };
  return spec.rows.flatMap((name, row): Option[] => {
    const top = y + row * rowHeight;
    const text = { text: shortName(name, fits), x: x + 2, y: top + 1, fill: nameInk(spec, row) };
    return [
      { type: "rect", shape: { ...strip, y: top }, style: { fill: spec.palette.background } },
      { type: "text", style: { ...text, font: "11px sans-serif" } },
    ];
  });
}

const CHARACTER = 6.2;
const LANE_NAME = 42;

/** Room for the longest name, or that of a lane; letting the library measure all of them is what makes zooming slow. */
function labelWidth({ widest, layout, marks }: HeatSpec): number {
  if (layout.above) return marks.length > 0 ? LANE_NAME : 8;
  return Math.ceil(16 + CHARACTER * Math.min(LONGEST, widest));
}

function xAxis(spec: HeatSpec, label: Option): Option {
  const [min, last] = spec.extent;
  return {
    type: "value",
    min,
    max: last + spec.tail,
    minInterval: 1,
    splitLine: { show: false },
    axisLine: { lineStyle: { color: spec.palette.muted } },
    // The axis ends behind the last record, where there is no step to name.
    axisLabel: { ...label, formatter: (at: number) => (at > last ? "" : spec.formatStep(at)) },
  };
}

function yAxis(spec: HeatSpec): Option {
  return {
    type: "category",
    inverse: true,
    data: spec.rows,
    axisTick: { show: false },
    axisLine: { lineStyle: { color: spec.palette.muted } },
    axisLabel: {
      ...{ show: !spec.layout.above, formatter: (name: string) => shortName(name), fontSize: 11 },
      color: (_: unknown, row: number) => nameInk(spec, row),
      interval: (row: number) => spec.rows[row] !== "",
    },
  };
}

export function heatOption(spec: HeatSpec): Option {
  const label = { color: spec.palette.text, hideOverlap: true };
  const zoom = { xAxisIndex: 0, filterMode: "none", throttle: 16 };
  const slider = { height: 18, bottom: 8, brushSelect: false, textStyle: { color: spec.palette.text } };
  return {
    animation: false,
    backgroundColor: "transparent",
    grid: {
      ...{
        left: labelWidth(spec),
        right: spec.layout.above ? 16 : 36,
        top: spec.layout.top,
        bottom: AXIS_HEIGHT,
      },
      outerBoundsMode: "none",
    },
    xAxis: xAxis(spec, label),
    yAxis: yAxis(spec),
    dataZoom: [
      { ...zoom, type: "inside", moveOnMouseMove: false, zoomOnMouseWheel: "ctrl", moveOnMouseWheel: false },
      { ...zoom, ...slider, type: "slider", labelFormatter: spec.formatStep },
    ],
    series: [picture(spec)],
  };
}

/** Where the picture itself lies: its top edge and its height, and how high all of it is. */
export interface Layout {
  top: number;
  height: number;
  total: number;
  /** Names stand above the rows' cells, not beside them. */
  above: boolean;
}

function lanesOf(marks: readonly unknown[]): number {
  return Math.min(MOST_LANES, marks.length);
}

const ROOMY = 36;
const ROW = 16;
/** Few rows grow until they fill so much, many are squeezed into the tallest map. */
const FILLED = 320;
const TALLEST = 430;

/** A row with its name above it; more of them than this would be a page too long. */
const STRIP = 13;
const MOST_STRIPS = 60;

/** Each row has room to be pointed at, more where there are few, within what a screen holds; a small one is scrolled. */
export function layoutOf(rows: number, marks: readonly unknown[], small = false): Layout {
  const top = RAIL_HEIGHT + LANE * lanesOf(marks);
  const above = small && rows <= MOST_STRIPS;
  const usual = Math.min(TALLEST, Math.max(rows * ROW, Math.min(rows * ROOMY, FILLED), 72));
  const height = above ? rows * (STRIP + ROW) : usual;
  return { top, height, total: top + height + AXIS_HEIGHT, above };
}
