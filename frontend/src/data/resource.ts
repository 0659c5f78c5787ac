/** A value that is being fetched: last good value, error, and how to try again. */
import { useCallback, useEffect, useState } from "preact/hooks";

export interface Resource<T> {
  value: T | undefined;
  error: Error | undefined;
  loading: boolean;
  retry: () => void;
}

interface Held<T> {
  about: string;
  value: T | undefined;
  error: Error | undefined;
  settled: boolean;
}

/**
 * Fetches when `about` (what the value is of) or `version` changes. A new version of the same thing keeps showing the
 * old value until the new one is there; a late answer to an older question is dropped.
 */
export function useResource<T>(
  about: string | null,
  version: string,
  load: (signal: AbortSignal) => Promise<T>,
): Resource<T> {
  const [held, setHeld] = useState<Held<T>>({
    about: "",
    value: undefined,
    error: undefined,
    settled: false,
  });
  const [attempt, setAttempt] = useState(0);
  // `about` names everything that `load` depends on
  useEffect(() => {
    if (about === null) return undefined;
    const abort = new AbortController();
    load(abort.signal).then(
      (value) => {
        if (!abort.signal.aborted) setHeld({ about, value, error: undefined, settled: true });
      },
      (error: Error) => {
        if (abort.signal.aborted) return;
        setHeld((old) => ({
          about,
          value: old.about === about ? old.value : undefined,
          error,
          settled: true,
        }));
      },
    );
    return () => abort.abort();
  }, [about, version, attempt]);
  const retry = useCallback(() => setAttempt((count) => count + 1), []);
  const current = held.about === about;
  return {
    value: current ? held.value : undefined,
    error: current ? held.error : undefined,
    loading: about !== null && !(current && held.settled),
    retry,
  };
}
