/** Folded content that is built only once it is opened: a chart inside closed details has no size. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";

interface Props {
  title: string;
  /** Given together: who holds the fold decides about it. */
  open?: boolean;
  toggle?: (open: boolean) => void;
  children: ComponentChildren;
}

export function Folded({ title, open, toggle, children }: Props) {
  const [own, setOwn] = useState(false);
  const shown = open ?? own;
  return (
    <details open={shown} onToggle={(event) => (toggle ?? setOwn)(event.currentTarget.open)}>
      <summary>{title}</summary>
      {shown ? children : null}
    </details>
  );
}
