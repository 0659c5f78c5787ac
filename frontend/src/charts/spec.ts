/** What a line chart is told; plain data, so that the option builders stay pure. */
import type { Severity } from "../data/types";
import type { Palette } from "./palette";
import type { Line } from "./series";

/** A step range painted behind the lines. */
export interface Mark {
  first: number;
  last: number;
  severity: Severity;
  label: string;
}

export interface Words {
  step: string;
  zero: string;
  nonFinite: string;
}

export interface LineSpec {
  lines: Line[];
  marks: Mark[];
  thresholds: { value: number; label: string }[];
  log: boolean;
  stacked: boolean;
  /** Values are shares between 0 and 1. */
  percent: boolean;
  /** The x range, when it should not follow the data. */
  range: [number, number] | undefined;
  palette: Palette;
  words: Words;
  format: { value: (value: number) => string; step: (value: number) => string };
}
