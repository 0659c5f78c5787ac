/** How old data are, in words, and whether more are to be expected. */
import type { RunSummary } from "../data/types";

const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
];

/** "4 seconds ago", in the page's language; null for less than a second. */
export function ago(walltime: number, now: number, lang: string): string | null {
  const seconds = now - walltime;
  const found = UNITS.find(([, size]) => seconds >= size);
  if (!found) return null;
  const [unit, size] = found;
  return new Intl.RelativeTimeFormat(lang).format(-Math.floor(seconds / size), unit);
}

/** A run that has been silent for this long, and for this many of its usual pauses, may hang or have been killed. */
const SILENT_SECONDS = 120;
const SILENT_PERIODS = 20;

export type Life = "growing" | "ended" | "silent" | "unknown";

/** Whether a run goes on, as far as its records tell; unknown of an exported page, and while the server does not answer. */
export function lifeOf(run: RunSummary, now: number, unknown: boolean): Life {
  if (run.ended) return "ended";
  if (unknown) return "unknown";
  const silence = now - (run.last_walltime ?? now);
  return silence > Math.max(SILENT_SECONDS, SILENT_PERIODS * (run.period ?? 0)) ? "silent" : "growing";
}

/** A moment in full, with the zone it is told in. */
export function momentOf(walltime: number, lang: string): string {
  return new Date(1000 * walltime).toLocaleString(lang, { dateStyle: "medium", timeStyle: "long" });
}
