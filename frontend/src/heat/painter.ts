/** Paints a reduced grid as pixels: log colours for numbers, and four looks for what is not a positive number. */
import { Flag } from "../data/table";
import type { Grid } from "./grid";
import { viridis } from "./lut";

export type Look = "value" | "nan" | "inf" | "zero" | "absent";

/** Bad cells are at least this many device pixels wide and high, or one spike would be invisible. */
const LEAST = 3;
const LUT = viridis();
const RED = [214, 40, 40] as const;
const WHITE = [255, 255, 255] as const;
const BLACK = [0, 0, 0] as const;
const GREY = [128, 128, 128] as const;

export function lookOf(flags: number): Look {
  if (flags & Flag.nan) return "nan";
  if (flags & (Flag.plusInf | Flag.minusInf)) return "inf";
  if (flags & Flag.absent) return "absent";
  return flags & Flag.zero ? "zero" : "value";
}

type Rgb = readonly [number, number, number];

/** Index into the colour table; values outside the domain take its ends. */
export function colourIndex(value: number, [low, high]: [number, number]): number {
  if (!(value > 0)) return 0;
  const share = Math.log(value / low) / Math.log(high / low);
  return Math.round(255 * Math.min(1, Math.max(0, share)));
}

/** Hatch, checker, grey and dots: told apart by pattern, not by colour alone. */
function pattern(look: Look, x: number, y: number, page: Rgb): Rgb {
  if (look === "nan") return (x + y) % 6 < 2 ? WHITE : RED;
  if (look === "inf") return ((x >> 1) + (y >> 1)) % 2 === 0 ? BLACK : WHITE;
  if (look === "zero") return GREY;
  return x % 4 === 0 && y % 4 === 0 ? GREY : page;
}

function put(pixels: Uint8ClampedArray, at: number, colour: Rgb): void {
  pixels[at] = colour[0];
  pixels[at + 1] = colour[1];
  pixels[at + 2] = colour[2];
  pixels[at + 3] = 255;
}

function rowSpan(row: number, grid: Grid, height: number): [number, number] {
  return [Math.floor((row * height) / grid.height), Math.floor(((row + 1) * height) / grid.height)];
}

/** First pass: every cell over its own pixels. */
function paintCells(
  pixels: Uint8ClampedArray,
  grid: Grid,
  height: number,
  domain: [number, number],
  page: Rgb,
) {
  for (let row = 0; row < grid.height; row++) {
    const [top, bottom] = rowSpan(row, grid, height);
    for (let x = 0; x < grid.width; x++) {
      const cell = row * grid.width + x;
      const look = lookOf(grid.flags[cell] ?? 0);
      const index = colourIndex(grid.max[cell] ?? 0, domain) * 3;
      const colour: Rgb = [LUT[index] ?? 0, LUT[index + 1] ?? 0, LUT[index + 2] ?? 0];
      for (let y = top; y < bottom; y++) {
        const shown = look === "value" ? colour : pattern(look, x, y, page);
        put(pixels, (y * grid.width + x) * 4, shown);
      }
    }
  }
}

/** Second pass: NaN and Inf again, widened to the least size around their centre. */
function widenBad(pixels: Uint8ClampedArray, grid: Grid, height: number, page: Rgb): void {
  const reach = Math.floor(LEAST / 2);
  for (let row = 0; row < grid.height; row++) {
    const [top, bottom] = rowSpan(row, grid, height);
    const extra = Math.max(0, Math.ceil((LEAST - (bottom - top)) / 2));
    for (let x = 0; x < grid.width; x++) {
      const look = lookOf(grid.flags[row * grid.width + x] ?? 0);
      if (look !== "nan" && look !== "inf") continue;
      for (let y = Math.max(0, top - extra); y < Math.min(height, bottom + extra); y++) {
        for (let px = Math.max(0, x - reach); px <= Math.min(grid.width - 1, x + reach); px++) {
          put(pixels, (y * grid.width + px) * 4, pattern(look, px, y, page));
        }
      }
    }
  }
}

/** RGBA pixels, `grid.width` x `height`. */
export function paint(grid: Grid, height: number, domain: [number, number], page: Rgb): Uint8ClampedArray {
  const pixels = new Uint8ClampedArray(grid.width * height * 4);
  if (grid.height === 0) return pixels;
  paintCells(pixels, grid, height, domain, page);
  widenBad(pixels, grid, height, page);
  return pixels;
}
