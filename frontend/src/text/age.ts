/** How old data are, in words, and whether more are to be expected. */

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

/** A run that has been silent for this long, and for this many of its usual pauses, has ended or hangs. */
const SILENT_SECONDS = 120;
const SILENT_PERIODS = 20;

export function hasEnded(walltime: number, period: number | null, now: number): boolean {
  return now - walltime > Math.max(SILENT_SECONDS, SILENT_PERIODS * (period ?? 0));
}

/** A moment in full, with the zone it is told in. */
export function momentOf(walltime: number, lang: string): string {
  return new Date(1000 * walltime).toLocaleString(lang, { dateStyle: "medium", timeStyle: "long" });
}
