/** The current place as component state, kept in step with the address bar. */
import { useCallback, useEffect, useState } from "preact/hooks";
import { type Place, readPlace, writePlace } from "./hash";
import { hostWindow } from "./window";

export type Go = (change: Place) => void;

/** Address of a change, for real links (open in a new tab, copy). */
export function linkTo(place: Place): string {
  const host = hostWindow();
  return host.location.pathname + host.location.search + writePlace(host.location.hash, place);
}

export function usePlace(): [Place, Go] {
  const [place, setPlace] = useState<Place>(() => readPlace(hostWindow().location.hash));
  useEffect(() => {
    const host = hostWindow();
    const follow = () => setPlace(readPlace(host.location.hash));
    host.addEventListener("hashchange", follow);
    return () => host.removeEventListener("hashchange", follow);
  }, []);
  const go = useCallback((change: Place) => {
    const host = hostWindow();
    const next = { ...readPlace(host.location.hash), ...change };
    // replaceState: TensorBoard's own router must not see (and rewrite) our change.
    host.history.replaceState(host.history.state, "", writePlace(host.location.hash, next));
    setPlace(next);
  }, []);
  return [place, go];
}
