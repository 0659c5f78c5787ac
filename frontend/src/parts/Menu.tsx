/** A menu behind ⋯: Escape ends it and gives the focus back to it. */
import type { ComponentChildren } from "preact";

interface Props {
  label: string;
  class?: string;
  children: ComponentChildren;
}

export function Menu({ label, class: own = "menu", children }: Props) {
  const press = (event: KeyboardEvent & { currentTarget: HTMLDetailsElement }) => {
    const menu = event.currentTarget;
    // A chart that fills the page ends first.
    if (event.key !== "Escape" || !menu.open || menu.closest(".wide")) return;
    event.preventDefault(); // one key ends one thing
    menu.open = false;
    menu.querySelector("summary")?.focus();
  };
  return (
    <details class={own} onKeyDown={press}>
      <summary aria-label={label} title={label}>
        ⋯
      </summary>
      <div>{children}</div>
    </details>
  );
}
