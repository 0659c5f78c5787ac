/** Which rows of a heat map are in view: whole rows, so that each keeps its edges and its name. */

/** First row in view, and the row after the last one. */
export type Span = readonly [number, number];

const CLOSER = 0.8;

/** `size` rows from `start` on, shifted to lie among `count`; null where that is all of them. */
function placed(start: number, size: number, count: number): Span | null {
  const from = Math.max(0, Math.min(start, count - size));
  return size >= count ? null : [from, from + size];
}

/** The span in force: rows may have become fewer since it was chosen. */
export function spanIn(span: Span | null, count: number): Span {
  if (!span) return [0, count];
  return placed(span[0], Math.max(1, span[1] - span[0]), count) ?? [0, count];
}

/** One notch closer or farther; the row at `at` (2.5 is the middle of the third) stays where it is. */
export function zoomedRows(span: Span | null, count: number, closer: boolean, at: number): Span | null {
  const [from, to] = spanIn(span, count);
  const size = to - from;
  const wanted = closer ? Math.min(size - 1, size * CLOSER) : Math.max(size + 1, size / CLOSER);
  const next = Math.min(count, Math.max(1, Math.round(wanted)));
  const row = Math.min(to - 1, Math.max(from, Math.floor(at)));
  const start = Math.round(at - ((at - from) / size) * next);
  return placed(Math.min(row, Math.max(start, row - next + 1)), next, count);
}

/** Moved by so many rows; all rows have nowhere to go. */
export function movedRows(span: Span | null, count: number, by: number): Span | null {
  return span ? placed(span[0] + by, span[1] - span[0], count) : null;
}

/** Moved just so far that the row is in view. */
export function showing(span: Span | null, count: number, row: number): Span | null {
  const [from, to] = spanIn(span, count);
  if (row < from) return movedRows(span, count, row - from);
  return row >= to ? movedRows(span, count, row - to + 1) : span;
}

/** The rows from one place to another, both included; null where that is all of them. */
export function rowsBetween(a: number, b: number, count: number): Span | null {
  const [low, high] = [Math.min(a, b), Math.max(a, b)];
  const from = Math.min(count - 1, Math.max(0, Math.floor(low)));
  return placed(from, Math.max(1, Math.min(count, Math.ceil(high)) - from), count);
}
