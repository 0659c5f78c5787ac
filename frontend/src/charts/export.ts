/** Pictures and numbers of a chart as files; everything is made in the page, nothing is asked of anybody. */

import type { Range } from "../data/zoom";
import { visible } from "../text/visible";
import { init } from "../vendor";
import type { Palette } from "./palette";
import type { Line } from "./series";
import type { Option } from "./spec";
import { withZoom } from "./withZoom";

const WIDTH = 1200;
const TITLE = 34;

export interface Sheet {
  option: Option;
  height: number;
  palette: Palette;
  /** What it shows: run, quantity, steps. */
  title: string;
  extent: Range;
  zoom: Range | null;
  /** What its colours mean, where they are values. */
  scale?: { low: string; high: string; colours: string[] };
  /** Its lines, where there are several. */
  names?: { name: string; colour: string }[];
  /** As in `Chart`. */
  tail?: number;
}

const LINE = 18;
const SWATCH = 16;

/** About as wide as it is drawn: letters of Chinese are twice as wide as others. */
function widthOf(text: string): number {
  return [...text].reduce((sum, letter) => sum + (letter > "\u2e80" ? 12 : 6.6), 0);
}

/** The names of the lines under the heading, in as many rows as they need. */
function nameTitles({ names = [], palette }: Sheet): { titles: Option[]; height: number } {
  let [left, top] = [8, TITLE - 6];
  const titles = names.flatMap(({ name, colour }) => {
    const width = SWATCH + widthOf(name) + 14;
    if (left > 8 && left + width > WIDTH) [left, top] = [8, top + LINE];
    const at = left;
    left += width;
    const style = (color: string) => ({ color, fontSize: 12, fontWeight: "normal" });
    return [
      { text: "▬", left: at, top, padding: 0, textStyle: style(colour) },
      { text: name, left: at + SWATCH, top, padding: 0, textStyle: style(palette.text) },
    ];
  });
  return { titles, height: names.length > 0 ? top + LINE - (TITLE - 6) : 0 };
}

function heightOf(sheet: Sheet): number {
  return sheet.height + TITLE + nameTitles(sheet).height;
}

/** Room at the right for the largest value, and the bar's half width. */
const LAST = 150;
const HALF = 70;

/** A bar of the colours between the values at its ends: titles are what the library has for text anywhere. */
function scaleTitles({ scale, palette }: Sheet): Option[] {
  if (!scale) return [];
  const textStyle = { color: palette.text, fontSize: 12, fontWeight: "normal" };
  const steps = Math.max(1, scale.colours.length - 1);
  const colorStops = scale.colours.map((color, at) => ({ offset: at / steps, color }));
  const bar = { type: "linear", x: 0, y: 0, x2: 1, y2: 0, colorStops };
  return [
    { text: `≤ ${scale.low}`, right: LAST + 2 * HALF + 10, top: 7, textStyle },
    { text: " ", right: LAST, top: 6, padding: [2, HALF], backgroundColor: bar, textStyle },
    { text: `≥ ${scale.high}`, left: WIDTH - LAST + 10, top: 7, textStyle },
  ];
}

/** The option with a heading and the page's background. */
function titled(sheet: Sheet): Option {
  const { option, palette, title, extent, zoom, tail } = sheet;
  const grids = [option.grid].flat() as Option[];
  const names = nameTitles(sheet);
  const down = TITLE + names.height;
  const lower = (at: unknown) => (typeof at === "number" ? at + down : down);
  return {
    ...withZoom(option, zoom, extent, tail),
    backgroundColor: palette.background,
    title: [
      { text: title, left: 8, top: 6, textStyle: { color: palette.text, fontSize: 13 } },
      ...scaleTitles(sheet),
      ...names.titles,
    ],
    grid: grids.map((grid) => ({ ...grid, top: lower(grid.top) })),
  };
}

/** Data address of a PNG with twice the screen's density. */
export function pngOf(sheet: Sheet): string {
  const host = document.createElement("div");
  const chart = init(host, null, { width: WIDTH, height: heightOf(sheet) });
  try {
    chart.setOption(titled(sheet));
    return chart.getDataURL({ type: "png", pixelRatio: 2, backgroundColor: sheet.palette.background });
  } finally {
    chart.dispose();
  }
}

/** SVG text; user's names in it are escaped by the library, but for control characters, which XML cannot hold at all. */
export function svgOf(sheet: Sheet): string {
  const size = { width: WIDTH, height: heightOf(sheet) };
  const chart = init(null, null, { renderer: "svg", ssr: true, ...size });
  try {
    chart.setOption(titled(sheet));
    return visible(chart.renderToSVGString(), "\n\t");
  } finally {
    chart.dispose();
  }
}

/** One row per point: the value, and the smallest and largest of what it stands for. */
export function rowsOfLines(about: string, lines: Line[], axis = "step"): (string | number | null)[][] {
  const rows: (string | number | null)[][] = [["run", "line", axis, "value", "min", "max"]];
  for (const line of lines) {
    const wide = new Map(line.band.map(([step, low, high]) => [step, [low, high] as const]));
    for (const [step, value] of line.points) {
      const [low, high] = wide.get(step) ?? [value, value];
      const bad = line.nonFinite.some(([first, last]) => step >= first && step <= last);
      rows.push([about, line.name, step, value ?? (bad ? "NaN/Inf" : null), low, high]);
    }
  }
  return rows;
}

/** Lets the browser save something under a name. */
export function save(name: string, content: string, type: string): void {
  const address = content.startsWith("data:")
    ? content
    : URL.createObjectURL(new Blob([content], { type: `${type};charset=utf-8` }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  if (!content.startsWith("data:")) setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

const NAME_END = 60;

/** A file name from anything: letters and digits of every script, the rest becomes a dash; never hidden, never empty. */
export function fileName(...parts: string[]): string {
  const words = parts.map((part) =>
    [...part.replaceAll(/[^\p{L}\p{N}._]+/gu, "-")].slice(-NAME_END).join(""),
  );
  const name = words.filter((word) => word !== "" && word !== "-").join("_");
  return name.replace(/^[.]+/, "") || "loss-doctor";
}
