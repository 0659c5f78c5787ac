/** A cell of a heat map in words, with the recorded number. */
import { Flag, type Matrix } from "../../data/table";
import { bucketAt, mergeFlags } from "../../heat/grid";
import { lookOf } from "../../heat/painter";
import type { Row } from "../../heat/rows";
import type { T } from "../../i18n";
import { formatValue } from "../../text/numbers";
import { spanText } from "../../text/spans";
import { times } from "../../text/words";

interface Reading {
  column: number;
  value: number;
  flags: number;
}

/** The largest value of a row's columns in a bucket, and everything else they hold. */
export function largest(matrix: Matrix, columns: readonly number[], bucket: number): Reading {
  const reading: Reading = { column: columns[0] ?? 0, value: NaN, flags: Flag.absent };
  for (const column of columns) {
    const at = column * matrix.buckets + bucket;
    const value = matrix.max[at] ?? NaN;
    reading.flags = mergeFlags(reading.flags, matrix.flags[at] ?? Flag.absent);
    if (Number.isFinite(value) && !(value <= reading.value)) Object.assign(reading, { column, value });
  }
  return reading;
}

/** "layer · steps 10 – 12 · largest 38.2 · median 0.31 · ×123 of its median". */
export function readCell(
  fine: Matrix,
  whole: Matrix,
  row: Row | undefined,
  step: number,
  t: T,
  lang: string,
): string {
  if (!row) return "";
  const inFine = step >= (fine.firstStep[0] ?? 0) && step <= (fine.lastStep[fine.buckets - 1] ?? -1);
  const matrix = inFine ? fine : whole;
  const bucket = bucketAt(matrix.firstStep, step);
  const { column, value, flags } = largest(matrix, row.columns, bucket);
  const layer = matrix.columns[column] ?? row.name;
  const where = spanText(t, lang, matrix.firstStep[bucket] ?? 0, matrix.lastStep[bucket] ?? 0);
  const look = lookOf(flags);
  const median = whole.median[column] ?? NaN;
  const numbers = { layer, where, max: formatValue(value, lang), median: formatValue(median, lang) };
  const words = median > 0 ? t("gradients.readout", { ...numbers, ratio: times(value / median, lang) }) : "";
  if (look === "value") return words || t("gradients.readoutPlain", numbers);
  const special = t("gradients.special", { layer, where, what: t(`heat.${look}`) });
  return Number.isFinite(value) && value !== 0
    ? `${special} · ${t("gradients.alsoFinite", numbers)}`
    : special;
}
