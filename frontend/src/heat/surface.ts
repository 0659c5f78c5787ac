/** A reusable canvas that holds the painted picture of one view. */
import type { Table } from "../data/table";
import { columnSpans, domainOf, type Grid, reduceTable } from "./grid";
import type { Frame } from "./heatOption";
import { paint } from "./painter";

type Rgb = readonly [number, number, number];

/** #rrggbb as numbers. */
export function rgbOf(colour: string): Rgb {
  const value = Number.parseInt(colour.slice(1), 16);
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255];
}

/** The view in device pixels, reduced from the table. */
export function gridFor(table: Table, rows: number[], frame: Frame, ratio: number): Grid {
  const width = Math.max(1, Math.round(frame.width * ratio));
  const height = Math.max(1, Math.round(frame.height * ratio));
  return reduceTable(table, rows, columnSpans(table.firstStep, frame.from, frame.to, width), height);
}

/** Colour range of everything that the rows hold, independent of the zoom so that colours keep their meaning. */
export function domainFor(table: Table, rows: number[]): [number, number] {
  const spans = new Int32Array(table.buckets * 2);
  for (let bucket = 0; bucket < table.buckets; bucket++) {
    spans[bucket * 2] = bucket;
    spans[bucket * 2 + 1] = bucket + 1;
  }
  return domainOf(reduceTable(table, rows, spans, Math.max(1, rows.length)));
}

/** Paints into its own canvas, one per heat map, never larger than the screen needs. */
export class Surface {
  private readonly canvas = document.createElement("canvas");

  draw(
    table: Table,
    rows: number[],
    frame: Frame,
    domain: [number, number],
    page: Rgb,
  ): HTMLCanvasElement | null {
    const context = this.canvas.getContext("2d");
    if (!context || frame.width < 1 || frame.height < 1 || rows.length === 0) return null;
    const ratio = window.devicePixelRatio || 1;
    const height = Math.max(1, Math.round(frame.height * ratio));
    const grid = gridFor(table, rows, frame, ratio);
    this.canvas.width = grid.width;
    this.canvas.height = height;
    const image = context.createImageData(grid.width, height);
    image.data.set(paint(grid, height, domain, page));
    context.putImageData(image, 0, 0);
    return this.canvas;
  }
}
