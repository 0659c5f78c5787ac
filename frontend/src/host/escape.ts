/** Escape ends the newest of what is open, one thing at a time. */
import { useLayoutEffect, useRef } from "preact/hooks";

type End = { current: () => void };

const open: End[] = [];
/** In these Escape has a meaning of its own. */
const OWN = "dialog, input, select";

function press(event: KeyboardEvent): void {
  const field = (event.target as Element | null)?.closest?.(OWN);
  if (event.key !== "Escape" || event.defaultPrevented || field) return;
  event.preventDefault();
  open.at(-1)?.current();
}

/** Ends something by Escape while it is open: from before it is painted, so that no key is lost. */
export function useEscape(active: boolean, end: () => void): void {
  const newest = useRef(end);
  newest.current = end;
  useLayoutEffect(() => {
    if (!active) return undefined;
    if (open.push(newest) === 1) document.addEventListener("keydown", press);
    return () => {
      open.splice(open.indexOf(newest), 1);
      if (open.length === 0) document.removeEventListener("keydown", press);
    };
  }, [active]);
}
