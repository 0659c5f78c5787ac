/** A real link inside the page: copyable and openable in a new tab, followed without reloading. */
import type { ComponentChildren } from "preact";
import type { Place } from "../host/hash";
import { type Go, linkTo } from "../host/place";

interface Props {
  place: Place;
  change: Place;
  go: Go;
  current?: boolean;
  class?: string;
  children: ComponentChildren;
}

export function PlaceLink({ place, change, go, current = false, children, ...rest }: Props) {
  // Where a link leads is read from its top, unless the link says otherwise.
  const whole = { part: "", ...change };
  const follow = (event: MouseEvent) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    go(whole);
  };
  return (
    <a
      class={rest.class}
      href={linkTo({ ...place, ...whole })}
      target="_top"
      aria-current={current ? "page" : undefined}
      onClick={follow}
    >
      {children}
    </a>
  );
}
