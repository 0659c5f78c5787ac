/** What is shown where data are missing, late or broken. */
import type { ComponentChildren } from "preact";
import { RouteError } from "../data/client";
import type { Resource } from "../data/resource";
import { type Key, useText } from "../i18n";

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
        <strong>{t("state.error", { what })}</strong> {error.message}
        {status} {hasOld ? t("state.old") : ""}
      </p>
      <button type="button" onClick={retry}>
        {t("state.retry")}
      </button>
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
  const { t } = useText();
  const { value, error, loading, retry } = resource;
  return (
    <>
      {error ? <ErrorBanner error={error} what={what} retry={retry} hasOld={value !== undefined} /> : null}
      {value !== undefined ? children(value) : null}
      {loading && value === undefined ? <Note>{t("state.loading")}</Note> : null}
    </>
  );
}

/** A view whose quantity was not recorded says so, and how to get it. */
export function Missing({ text }: { text: Key }) {
  const { t } = useText();
  return <Note>{t(text)}</Note>;
}
