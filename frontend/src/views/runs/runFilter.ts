/** Which runs are listed: by words or a regular expression, by state, by cause, by folder. */
import type { CauseSummary, RunSummary } from "../../data/types";
import type { Place } from "../../host/hash";
import { folderOf } from "./groups";

export interface Wanted {
  text: string;
  state: string;
  cause: string;
  folder: string;
}

export function wantedOf({ q = "", state = "", cause = "", folder = "" }: Place): Wanted {
  return { text: q, state, cause, folder };
}

/** "/lr=1.*adam/" and "/…/i" are regular expressions; null for one that is none. */
export function patternOf(text: string): RegExp | null | undefined {
  const [, source, flags = ""] = /^\/(.+)\/(i?)$/.exec(text) ?? [];
  if (source === undefined) return undefined;
  try {
    return new RegExp(source, flags);
  } catch {
    return null;
  }
}

function textMatcher(text: string): (run: RunSummary) => boolean {
  const pattern = patternOf(text);
  if (pattern) return ({ run }) => pattern.test(run);
  if (pattern === null) return () => true;
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return ({ run, settings }) => {
    const said = `${run} ${Object.values(settings).join(" ")}`.toLowerCase();
    return words.every((word) => said.includes(word));
  };
}

export function listed(runs: readonly RunSummary[], wanted: Wanted): RunSummary[] {
  const matches = textMatcher(wanted.text);
  return runs.filter(
    (run) =>
      (wanted.state === "" || run.status === wanted.state) &&
      (wanted.cause === "" || run.causes.some(({ code }) => code === wanted.cause)) &&
      (wanted.folder === "" || folderOf(run.run) === wanted.folder) &&
      matches(run),
  );
}

/** Causes of the runs by code, the most frequent first. */
export function causesIn(runs: readonly RunSummary[]): (CauseSummary & { count: number })[] {
  const found = new Map<string, CauseSummary & { count: number }>();
  for (const { causes } of runs) {
    for (const cause of causes) {
      const known = found.get(cause.code) ?? { ...cause, count: 0 };
      known.count++;
      found.set(cause.code, known);
    }
  }
  return [...found.values()].sort((a, b) => b.count - a.count || (a.code < b.code ? -1 : 1));
}

export function foldersIn(runs: readonly RunSummary[]): string[] {
  return [...new Set(runs.map(({ run }) => folderOf(run)))].sort();
}
