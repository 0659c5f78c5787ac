/** Paints a reduced grid as pixels: log colours for numbers, and four looks for what is not a positive number. */
import { Flag } from "../data/table";
import type { Grid } from "./grid";
import { pixel } from "./lut";

export type Look = "value" | "nan" | "inf" | "zero" | "absent";

/** What must not be overlooked is at least this many device pixels wide and high. */
export const LEAST = 3;
const RED = pixel(214, 40, 40);
const WHITE = pixel(255, 255, 255);
const BLACK = pixel(0, 0, 0);
const GREY = pixel(128, 128, 128);
/** Far above the scale: a colour that no map has. */
const FAR_ABOVE = pixel(255, 0, 200);
/** A value this many times the upper end of the colours gets a colour of its own. */
const FAR = 3;

export interface Ink {
  /** 256 pixels. */
  lut: Uint32Array;
  /** Values at the two ends of the colours. */
  domain: readonly [number, number];
  /** The page's background as a pixel. */
  page: number;
}

export function lookOf(flags: number): Look {
  if (flags & Flag.nan) return "nan";
  if (flags & (Flag.plusInf | Flag.minusInf)) return "inf";
  if (flags & Flag.absent) return "absent";
  return flags & Flag.zero ? "zero" : "value";
}

/** Index into the colour table; values outside the domain take its ends. */
export function colourIndex(value: number, [low, high]: readonly [number, number]): number {
  if (!(value > 0)) return 0;
  const share = Math.log(value / low) / Math.log(high / low);
  return Math.round(255 * Math.min(1, Math.max(0, share)));
}

/** A value's pixel. */
function inked(value: number, ink: Ink): number {
  if (value > ink.domain[1] * FAR) return FAR_ABOVE;
  return ink.lut[colourIndex(value, ink.domain)] ?? 0;
}

/** Hatch, checker, grey and dots: told apart by pattern, not by colour alone. */
function pattern(look: Look, x: number, y: number, page: number): number {
  if (look === "nan") return (x + y) % 6 < 2 ? WHITE : RED;
  if (look === "inf") return ((x >> 1) + (y >> 1)) % 2 === 0 ? BLACK : WHITE;
  if (look === "zero") return GREY;
  return x % 4 === 0 && y % 4 === 0 ? GREY : page;
}

function rowSpan(row: number, grid: Grid, height: number): [number, number] {
  return [Math.floor((row * height) / grid.height), Math.floor(((row + 1) * height) / grid.height)];
}

/** First pass: every cell over its own pixels. */
function paintCells(pixels: Uint32Array, grid: Grid, height: number, ink: Ink): void {
  for (let row = 0; row < grid.height; row++) {
    const [top, bottom] = rowSpan(row, grid, height);
    for (let x = 0; x < grid.width; x++) {
      const cell = row * grid.width + x;
      const look = lookOf(grid.flags[cell] ?? 0);
      const colour = look === "value" ? inked(grid.max[cell] ?? 0, ink) : undefined;
      for (let y = top; y < bottom; y++) {
        pixels[y * grid.width + x] = colour ?? pattern(look, x, y, ink.page);
      }
    }
  }
}

const ALONE = 4;

/** True where no cell of the same look is near but the direct neighbours: widening hides no pattern then. */
function isAlone(grid: Grid, row: number, x: number, look: Look): boolean {
  for (let by = 2; by <= ALONE; by++) {
    for (const px of [x - by, x + by]) {
      if (px < 0 || px >= grid.width) continue;
      if (lookOf(grid.flags[row * grid.width + px] ?? 0) === look) return false;
    }
  }
  return true;
}

/** True for what must stay visible however small it is. */
function stands(grid: Grid, row: number, x: number, look: Look, ink: Ink): boolean {
  if (look === "nan" || look === "inf") return true;
  if (look === "value") return (grid.max[row * grid.width + x] ?? 0) > ink.domain[1];
  return isAlone(grid, row, x, look);
}

/** Another pass over the cells of some looks: those that must stay visible are widened around their centre. */
function widen(pixels: Uint32Array, grid: Grid, height: number, ink: Ink, looks: readonly Look[]): void {
  const reach = Math.floor(LEAST / 2);
  for (let row = 0; row < grid.height; row++) {
    const [top, bottom] = rowSpan(row, grid, height);
    const extra = Math.max(0, Math.ceil((LEAST - (bottom - top)) / 2));
    for (let x = 0; x < grid.width; x++) {
      const look = lookOf(grid.flags[row * grid.width + x] ?? 0);
      if (!looks.includes(look) || !stands(grid, row, x, look, ink)) continue;
      const value = grid.max[row * grid.width + x] ?? 0;
      for (let y = Math.max(0, top - extra); y < Math.min(height, bottom + extra); y++) {
        for (let px = Math.max(0, x - reach); px <= Math.min(grid.width - 1, x + reach); px++) {
          const colour = look === "value" ? inked(value, ink) : pattern(look, px, y, ink.page);
          pixels[y * grid.width + px] = colour;
        }
      }
    }
  }
}

/** From what is overlooked with the least harm to what must never be. */
const PASSES: readonly (readonly Look[])[] = [["absent"], ["zero"], ["value"], ["nan", "inf"]];

/** Pixels, `grid.width` x `height`, as little-endian RGBA words. */
export function paint(grid: Grid, height: number, ink: Ink): Uint32Array {
  const pixels = new Uint32Array(grid.width * height);
  if (grid.height === 0) return pixels;
  paintCells(pixels, grid, height, ink);
  for (const looks of PASSES) widen(pixels, grid, height, ink, looks);
  return pixels;
}
