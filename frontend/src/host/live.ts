/** When to look for new records: every few seconds while shown, when TensorBoard reloads, more rarely while that fails. */
import { onDataReloaded } from "./ipc";
import { isShown } from "./window";

const PERIOD_MS = 5000;
const SOON_MS = 250;
const LONGEST_MS = 60_000;

export interface Pace {
  /** Something is still being read: ask again at once. */
  waiting: boolean;
  /** Failures in a row. */
  failures: number;
  live: boolean;
}

/** Milliseconds until the next look; null for none. */
export function pause({ waiting, failures, live }: Pace): number | null {
  if (waiting && failures === 0) return SOON_MS;
  if (!live) return null;
  return Math.min(LONGEST_MS, PERIOD_MS * 2 ** failures);
}

/** Calls back when the page should look at once: TensorBoard reloaded, or the tab is shown again. */
export function onOccasion(look: () => void): () => void {
  const stop = onDataReloaded(look);
  let wasShown = isShown();
  const resized = () => {
    if (isShown() && !wasShown) look();
    wasShown = isShown();
  };
  window.addEventListener("resize", resized);
  document.addEventListener("visibilitychange", resized);
  return () => {
    stop();
    window.removeEventListener("resize", resized);
    document.removeEventListener("visibilitychange", resized);
  };
}
