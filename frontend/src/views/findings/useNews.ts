/** Which findings of a run were not there at the last visit; nothing is new at the first one. */
import { useEffect, useMemo, useState } from "preact/hooks";
import { idOf } from "../../data/findings";
import type { Finding } from "../../data/types";
import { recall, remember } from "../../host/storage";

export function useNews(run: string, findings: Finding[]): ReadonlySet<string> {
  const key = `seen ${run}`;
  const [before] = useState(() => recall(key));
  const ids = findings.map(idOf).join("\n");
  useEffect(() => remember(key, ids), [key, ids]);
  return useMemo(() => {
    const known = new Set((before ?? ids).split("\n"));
    return new Set(ids.split("\n").filter((id) => !known.has(id)));
  }, [before, ids]);
}
