/** Charts in words: what a screen reader is told instead of the picture. */

import type { T } from "../i18n";
import { formatInteger } from "../text/numbers";
import { capital, spoken } from "../text/words";
import type { Line } from "./series";
import type { Format } from "./spec";

function lowest(line: Line): number | null {
  const values = [
    ...line.points.flatMap(([, value]) => (value === null ? [] : [value])),
    ...line.band.map(([, low]) => low),
  ];
  return values.length === 0 ? null : values.reduce((a, b) => Math.min(a, b));
}

function highest(line: Line): [number, number] | undefined {
  if (line.peak) return line.peak;
  let found: [number, number] | undefined;
  for (const [step, value] of line.points) {
    if (value !== null && !(value <= (found?.[1] ?? Number.NEGATIVE_INFINITY))) found = [step, value];
  }
  return found;
}

function ofLine(line: Line, format: Format, t: T): string {
  const values = line.points.filter(([, value]) => value !== null);
  const [low, high] = [lowest(line), highest(line)];
  const range = ([first, last]: [number, number]) =>
    first === last ? format.place(first) : `${format.place(first)} – ${format.step(last)}`;
  const bad = line.nonFinite.slice(0, 3).map(range);
  const name = spoken(line.name);
  const trouble = bad.length > 0 ? t("describe.bad", { at: bad.join("; ") }) : "";
  if (low === null || !high) return `${t("describe.nothing", { name })} ${trouble}`.trim();
  const numbers = {
    name,
    first: format.value(values[0]?.[1] ?? Number.NaN),
    last: format.value(values.at(-1)?.[1] ?? Number.NaN),
    low: format.value(low),
    high: format.value(high[1]),
    at: format.place(high[0]),
  };
  return `${t("describe.line", numbers)} ${trouble}`.trim();
}

/** One sentence per line, for the first ten of them. */
export function describeLines(lines: Line[], format: Format, t: T, lang: string): string {
  const some = lines.slice(0, 10).map((line) => ofLine(line, format, t));
  return [t("describe.lines", { count: formatInteger(lines.length, lang) }), ...some].join(" ");
}

/** What every line is at a step. */
export function sayStep(lines: Line[], step: number, format: Format, t: T): string {
  const parts = lines.slice(0, 10).flatMap((line) => {
    const bad = line.nonFinite.some(([first, last]) => step >= first && step <= last);
    const point = line.points.find(([at]) => at === step);
    if (bad) return [`${spoken(line.name)}: NaN/Inf`];
    if (!point) return [];
    return [`${spoken(line.name)}: ${point[1] === null ? "NaN/Inf" : format.value(point[1])}`];
  });
  return `${t("describe.step", { at: capital(format.place(step)) })} ${parts.join("; ")}`;
}
