/** A reusable canvas that holds the painted picture of one view. */

import type { Matrix } from "../data/table";
import type { Range } from "../data/zoom";
import { type Columns, codeRows, columnSpans, type Grid, mergeColumns } from "./grid";
import type { Frame } from "./heatOption";
import { type Colours, lutOf, pixel } from "./lut";
import { paint } from "./painter";

/** #rrggbb as a pixel. */
export function pixelOf(colour: string): number {
  const value = Number.parseInt(colour.slice(1), 16);
  return pixel((value >> 16) & 255, (value >> 8) & 255, value & 255);
}

export interface Picture {
  whole: Matrix;
  /** A finer one of the range in view, if there is one. */
  fine: Matrix | undefined;
  rows: readonly Columns[];
  domain: readonly [number, number];
  /** Where values are far above, if the domain was chosen by hand. */
  far: number | undefined;
  colours: Colours;
  background: string;
}

/** The finest matrix that holds all of a frame. */
export function sourceFor({ whole, fine }: Pick<Picture, "whole" | "fine">, { from, to }: Frame): Matrix {
  if (!fine || fine.buckets === 0) return whole;
  const first = Math.max(from, whole.firstStep[0] ?? 0);
  const last = Math.min(to, whole.lastStep[whole.buckets - 1] ?? 0);
  const begins = (fine.firstStep[0] ?? 0) - first <= gapOf(whole);
  const ends = last - (fine.lastStep[fine.buckets - 1] ?? 0) <= gapOf(whole);
  return begins && ends ? fine : whole;
}

/** Records may be many steps apart: up to here nothing was recorded between the edge of the view and the nearest record. */
function gapOf({ firstStep, lastStep, buckets, records }: Matrix): number {
  return 1.5 * (((lastStep[buckets - 1] ?? 0) - (firstStep[0] ?? 0)) / Math.max(1, records - 1));
}

/** How many steps the last record's cell is wide: as many as lie between records. */
export function tailOf({ firstStep, lastStep, buckets, records }: Matrix): number {
  const all = (lastStep[buckets - 1] ?? 0) - (firstStep[0] ?? 0);
  return all > 0 ? all / Math.max(1, records - 1) : 1;
}

/** From where to where a matrix says anything: a record stands for what follows it until the next is due. */
export function reachOf(matrix: Matrix): Range {
  const gap = gapOf(matrix) || 1;
  return [(matrix.firstStep[0] ?? 0) - gap, (matrix.lastStep[matrix.buckets - 1] ?? 0) + gap];
}

/** More than so many times the usual distance between records is a gap. */
const GAP = 20;
const USUAL = 0.9;

const ends = new WeakMap<Matrix, Float64Array | null>();

/** Up to where each bucket says anything, if there are gaps in the record; nothing is said of the steps in them. */
export function endsOf(matrix: Matrix): Float64Array | null {
  const known = ends.get(matrix);
  if (known !== undefined) return known;
  const { firstStep, lastStep, buckets } = matrix;
  const distances = Float64Array.from({ length: Math.max(0, buckets - 1) }, (_, at) => {
    return (firstStep[at + 1] ?? 0) - (lastStep[at] ?? 0);
  });
  const usual = [...distances].sort((a, b) => a - b)[Math.floor(USUAL * (buckets - 2))] ?? 1;
  const made = distances.some((distance) => distance > GAP * usual)
    ? lastStep.map((last) => last + usual)
    : null;
  ends.set(matrix, made);
  return made;
}

/** Paints into its own canvas, one per heat map, never larger than the screen needs. */
export class HeatCanvas {
  private readonly canvas = document.createElement("canvas");
  private kept: { of: Picture; source: Matrix; height: number; grid: Grid } | undefined;

  /** The rows of a picture, which stay the same while somebody zooms. */
  private rowsFor(of: Picture, source: Matrix, height: number): Grid {
    const { kept } = this;
    if (kept?.of === of && kept.source === source && kept.height === height) return kept.grid;
    const grid = codeRows(source, of.rows, height, of.domain, of.far);
    this.kept = { of, source, height, grid };
    return grid;
  }

  draw(picture: Picture, frame: Frame): HTMLCanvasElement | null {
    const context = this.canvas.getContext("2d");
    if (!context || frame.width < 1 || frame.height < 1 || picture.rows.length === 0) return null;
    const ratio = window.devicePixelRatio || 1;
    const width = Math.max(1, Math.round(frame.width * ratio));
    const height = Math.max(1, Math.round(frame.height * ratio));
    const source = sourceFor(picture, frame);
    const reach = reachOf(picture.whole);
    const spans = columnSpans(source.firstStep, frame.from, frame.to, width, reach, endsOf(source));
    const grid = mergeColumns(this.rowsFor(picture, source, height), spans);
    const ink = { lut: lutOf(picture.colours), page: pixelOf(picture.background) };
    this.canvas.width = width;
    this.canvas.height = height;
    const image = context.createImageData(width, height);
    new Uint32Array(image.data.buffer).set(paint(grid, height, ink));
    context.putImageData(image, 0, 0);
    return this.canvas;
  }
}
