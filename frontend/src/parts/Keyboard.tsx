/** What makes a picture usable without a mouse: focus, keys, and words for what is under the cursor. */
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { anomalyFrom, type Board, type Cursor, moved, selected, zoomKey } from "../charts/keys";
import { setZoom } from "../data/zoom";
import { keysOn } from "../host/storage";
import { useText } from "../i18n";

interface Props {
  label: string;
  /** What the picture shows, in sentences. */
  summary: string;
  board: Board;
  /** Words for a position. */
  say: (cursor: Cursor) => string;
  /** The cursor was moved. */
  move?: (cursor: Cursor) => void;
  enter?: (cursor: Cursor) => void;
  table?: () => void;
  /** Further keys; true where nothing else shall act on the key. */
  keys?: (key: string, cursor: Cursor) => boolean;
  class?: string;
  children: ComponentChildren;
}

const START: Cursor = { at: 0, row: 0 };
const PAUSE_MS = 120;

/** The words, once the keys rest: a held arrow key must not read out every step. */
function useCalm(text: string): string {
  const [calm, setCalm] = useState("");
  useEffect(() => {
    const timer = setTimeout(() => setCalm(text), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return calm;
}

/** The cursor, and what each key does with it. */
function useKeys(props: Props): { cursor: Cursor | null; press: (event: KeyboardEvent) => void } {
  const { board } = props;
  const [cursor, setCursor] = useState<Cursor | null>(null);
  const anchor = useRef<number | null>(null);
  const stepAt = (at: number) => board.steps[Math.min(at, board.steps.length - 1)] ?? board.extent[0];
  const go = (next: Cursor) => {
    setCursor(next);
    props.move?.(next);
  };
  const enter = (here: Cursor) => {
    if (anchor.current === null) return props.enter?.(here);
    setZoom(selected(anchor.current, stepAt(here.at), board.extent));
    anchor.current = null;
    return undefined;
  };
  const act = (event: KeyboardEvent): boolean => {
    const here = cursor ?? START;
    const next = moved(here, event.key, event.shiftKey, board) ?? anomalyFrom(here, event.key, board);
    if (next) go(next);
    else if (props.keys?.(event.key, here)) return true;
    else if (event.key === "Enter") enter(here);
    else if (event.key === " ") anchor.current = stepAt(here.at);
    else if (event.key === "t" && props.table) props.table();
    else return zoomKey(event.key, stepAt(here.at), board.extent);
    return true;
  };
  const press = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || (event.key.length === 1 && !keysOn())) return;
    if (act(event)) event.preventDefault();
  };
  return { cursor, press };
}

export function Keyboard(props: Props) {
  const { label, summary, board, say, children } = props;
  const { t } = useText();
  const id = useId();
  const { cursor, press } = useKeys(props);
  const words = useCalm(cursor && cursor.row < board.rows ? say(cursor) : "");
  return (
    <>
      {/* biome-ignore-start lint/a11y/noNoninteractiveTabindex: role="application" makes it interactive */}
      <div
        class={`surface ${props.class ?? ""}`}
        role="application"
        tabIndex={0}
        aria-label={`${label}. ${t("keys.chart")}`}
        aria-describedby={id}
        onKeyDown={press}
      >
        {children}
      </div>
      {/* biome-ignore-end lint/a11y/noNoninteractiveTabindex: see above */}
      <p class="unseen" id={id}>
        {summary}
      </p>
      <p class="unseen" aria-live="polite">
        {words}
      </p>
    </>
  );
}
