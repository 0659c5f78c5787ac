/** What a line chart is told; plain data, so that the option builders stay pure. */
import type { Mark } from "../data/findings";
import type { Range } from "../data/zoom";
import type { Palette } from "./palette";
import type { Line } from "./series";

/** What ECharts is given. */
export type Option = Record<string, unknown>;

export interface Words {
  step: string;
  zero: string;
  nonFinite: string;
}

/** How numbers are written. */
export interface Format {
  value: (value: number, digits?: number) => string;
  /** A number of the x axis. */
  step: (value: number) => string;
  /** The same in words: "step 500". */
  place: (value: number) => string;
  /** What a tooltip says of it: "step 500 · 21:39:02". */
  tip?: (value: number) => string;
}

/** An x axis that does not show steps. */
export interface OtherAxis extends Pick<Format, "step" | "place"> {
  name: string;
}

export interface LineSpec {
  lines: Line[];
  /** What the y axis shows, with its unit. */
  title: string;
  marks: Mark[];
  thresholds: { value: number; label: string }[];
  /** Points that decided something, with their number. */
  deciding: { step: number; value: number; label: string }[];
  log: boolean;
  stacked: boolean;
  /** First and last step of the axis. */
  extent: Range;
  /** The y range, for quantities that have natural ends. */
  bounds: [number, number] | undefined;
  palette: Palette;
  words: Words;
  format: Format;
}
