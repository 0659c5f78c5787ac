/** Folded content that is built only once it is opened: a chart inside closed details has no size. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";

export function Folded({ title, children }: { title: string; children: ComponentChildren }) {
  const [open, setOpen] = useState(false);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{title}</summary>
      {open ? children : null}
    </details>
  );
}
