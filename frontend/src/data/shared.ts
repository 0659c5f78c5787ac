/** A small value that several parts of the page share and follow. */

export interface Shared<T> {
  get: () => T;
  /** `source` is told too, so that who caused a change can leave itself alone. */
  set: (value: T, source?: unknown) => void;
  follow: (listener: (value: T, source: unknown) => void) => () => void;
}

export function shared<T>(start: T): Shared<T> {
  const listeners = new Set<(value: T, source: unknown) => void>();
  let held = start;
  return {
    get: () => held,
    set: (value, source = null) => {
      if (value === held) return;
      held = value;
      for (const listener of [...listeners]) listener(value, source);
    },
    follow: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
