/** What is shown where data are missing, late or broken. */
import type { ComponentChildren } from "preact";
import { RouteError } from "../data/client";
import type { Resource } from "../data/resource";
import { type Key, useText } from "../i18n";
import { marked } from "../text/words";
import { Sentence } from "./Markdown";

export function Note({ children }: { children: ComponentChildren }) {
  return <p class="note">{children}</p>;
}

interface ErrorProps {
  error: Error;
  what: string;
  retry: () => void;
  hasOld: boolean;
}

export function ErrorBanner({ error, what, retry, hasOld }: ErrorProps) {
  const { t } = useText();
  const status = error instanceof RouteError && error.status !== 200 ? ` (HTTP ${error.status})` : "";
  return (
    <div class="banner" role="alert">
      <p>
        <strong>{t("state.error", { what })}</strong>{" "}
        {error instanceof RouteError ? `${error.message}${status}` : t("state.unreachable")}{" "}
        {hasOld ? t("state.old") : ""}
      </p>
      <button type="button" onClick={retry}>
        {t("state.retry")}
      </button>
    </div>
  );
}

/** Grey bars where content will be; only words are said aloud. */
export function Skeleton() {
  const { t } = useText();
  return (
    <div class="skeleton" role="status">
      <span class="unseen">{t("state.loading")}</span>
      <span />
      <span />
      <span />
    </div>
  );
}

interface LoadedProps<T> {
  resource: Resource<T>;
  what: string;
  children: (value: T) => ComponentChildren;
}

/** The value when it is there, with a banner above it when the last reading failed. */
export function Loaded<T>({ resource, what, children }: LoadedProps<T>) {
  const { value, error, loading, retry } = resource;
  return (
    <>
      {error ? <ErrorBanner error={error} what={what} retry={retry} hasOld={value !== undefined} /> : null}
      {value !== undefined ? children(value) : null}
      {loading && value === undefined ? <Skeleton /> : null}
    </>
  );
}

/** How each kind of quantity is recorded; the families are told by how their names begin. */
const HOW: [RegExp, Key][] = [
  [/^(update|gradient_abs|gradient_zero)/, "missing.watch"],
  [/^(activation|dead|saturated|zero_share|effective)/, "missing.activations"],
  [/^(gradient|parameter|global_norm)/, "missing.gradients"],
  [/^(term_)/, "missing.decompose"],
  [/^(loss_term|loss_weight)/, "missing.terms"],
  [/^clip/, "missing.clipping"],
  [/^loss/, "missing.loss"],
];

/** A view whose quantity was not recorded says so, and how to get it. */
export function Missing({ quantity }: { quantity: string }) {
  const { t } = useText();
  const how = HOW.find(([family]) => family.test(quantity));
  return (
    <Note>
      <Sentence text={how ? marked(t(how[1])) : t("missing.quantity", { quantity })} />
    </Note>
  );
}
