/** The rows in view as state: what was chosen holds while the same rows are there, also with newer values. */
import { useEffect, useMemo, useState } from "preact/hooks";
import type { Row } from "./rows";
import type { Span } from "./span";

interface Held {
  of: string;
  span: Span | null;
}

export function useSpan(rows: readonly Row[]): [Span | null, (span: Span | null) => void] {
  const of = useMemo(() => rows.map(({ name }) => name).join("\n"), [rows]);
  const [held, hold] = useState<Held>({ of, span: null });
  useEffect(() => hold((old) => (old.of === of ? old : { of, span: null })), [of]);
  const set = (span: Span | null) => hold({ of, span });
  return [held.of === of ? held.span : null, set];
}
