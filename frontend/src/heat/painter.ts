/** Paints a reduced grid as pixels: colours for numbers, and four looks for what is not a positive number. */
import { Flag } from "../data/table";
import { ABOVE, FAR_ABOVE, type Grid } from "./grid";
import { pixel } from "./lut";

export type Look = "value" | "nan" | "inf" | "zero" | "absent";

/** What must not be overlooked is at least this many device pixels wide and high. */
export const LEAST = 3;
const RED = pixel(214, 40, 40);
const WHITE = pixel(255, 255, 255);
const BLACK = pixel(0, 0, 0);
const GREY = pixel(128, 128, 128);
/** A colour that no map has. */
const MAGENTA = pixel(255, 0, 200);

export interface Ink {
  /** 256 pixels. */
  lut: Uint32Array;
  /** The page's background as a pixel. */
  page: number;
}

export function lookOf(flags: number): Look {
  if (flags & Flag.nan) return "nan";
  if (flags & (Flag.plusInf | Flag.minusInf)) return "inf";
  if (flags & Flag.absent) return "absent";
  return flags & Flag.zero ? "zero" : "value";
}

/** Hatch, checker, grey and dots: told apart by pattern, not by colour alone. */
function pattern(look: Look, x: number, y: number, page: number): number {
  if (look === "nan") return (x + y) % 6 < 2 ? WHITE : RED;
  if (look === "inf") return ((x >> 1) + (y >> 1)) % 2 === 0 ? BLACK : WHITE;
  if (look === "zero") return GREY;
  return x % 4 === 0 && y % 4 === 0 ? GREY : page;
}

function inked(code: number, ink: Ink): number {
  return code === FAR_ABOVE ? MAGENTA : (ink.lut[Math.min(255, code)] ?? 0);
}

function rowSpan(row: number, grid: Grid, height: number): [number, number] {
  return [Math.floor((row * height) / grid.height), Math.floor(((row + 1) * height) / grid.height)];
}

/** A cell with another look than a plain value, or above the scale. */
interface Special {
  row: number;
  x: number;
  look: Look;
  code: number;
}

/** First pass: every value over its own pixels. Returns the cells that are more than that. */
function paintValues(pixels: Uint32Array, grid: Grid, height: number, ink: Ink): Special[] {
  const special: Special[] = [];
  const { width } = grid;
  for (let row = 0; row < grid.height; row++) {
    const [top, bottom] = rowSpan(row, grid, height);
    const line = top * width;
    for (let x = 0; x < width; x++) {
      const code = grid.codes[row * width + x] ?? 0;
      const flags = grid.flags[row * width + x] ?? 0;
      if (flags !== 0 || code >= ABOVE) special.push({ row, x, look: lookOf(flags), code });
      pixels[line + x] = inked(code, ink);
    }
    for (let y = top + 1; y < bottom; y++) pixels.copyWithin(y * width, line, line + width);
  }
  return special;
}

const ALONE = 4;

/** True where no cell of the same look is near but the direct neighbours: widening hides no pattern then. */
function isAlone(grid: Grid, { row, x, look }: Special): boolean {
  for (let by = 2; by <= ALONE; by++) {
    for (const px of [x - by, x + by]) {
      if (px < 0 || px >= grid.width) continue;
      if (lookOf(grid.flags[row * grid.width + px] ?? 0) === look) return false;
    }
  }
  return true;
}

/** Over its own pixels, or widened to the least size around its centre. */
function put(pixels: Uint32Array, grid: Grid, height: number, ink: Ink, cell: Special, wide: boolean): void {
  const [top, bottom] = rowSpan(cell.row, grid, height);
  const reach = wide ? Math.floor(LEAST / 2) : 0;
  const extra = wide ? Math.max(0, Math.ceil((LEAST - (bottom - top)) / 2)) : 0;
  const [left, right] = [Math.max(0, cell.x - reach), Math.min(grid.width - 1, cell.x + reach)];
  for (let y = Math.max(0, top - extra); y < Math.min(height, bottom + extra); y++) {
    for (let x = left; x <= right; x++) {
      pixels[y * grid.width + x] =
        cell.look === "value" ? inked(cell.code, ink) : pattern(cell.look, x, y, ink.page);
    }
  }
}

/** From what is overlooked with the least harm to what must never be. */
const ORDER: readonly Look[] = ["absent", "zero", "value", "inf", "nan"];

/** Pixels, `grid.width` x `height`, as little-endian RGBA words. */
export function paint(grid: Grid, height: number, ink: Ink): Uint32Array {
  const pixels = new Uint32Array(grid.width * height);
  if (grid.height === 0) return pixels;
  const special = paintValues(pixels, grid, height, ink);
  const quiet = (cell: Special) => cell.look === "absent" || cell.look === "zero";
  for (const cell of special) if (quiet(cell)) put(pixels, grid, height, ink, cell, false);
  for (const look of ORDER) {
    for (const cell of special) {
      if (cell.look !== look || (quiet(cell) && !isAlone(grid, cell))) continue;
      put(pixels, grid, height, ink, cell, true);
    }
  }
  return pixels;
}
