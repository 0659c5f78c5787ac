/** The chosen colour range as state: it belongs to what is shown, and outlives zooms and new records. */
import { useEffect, useMemo, useState } from "preact/hooks";
import { type Domain, limitsOf } from "./colourRange";

export interface ColourRange {
  domain: Domain;
  /** The range found in the data. */
  found: Domain;
  /** As far as the range can be chosen. */
  limits: Domain;
  /** From here on a value is far above; undefined while the range is the one found. */
  far: number | undefined;
  choose: (range: Domain | null) => void;
}

/** A value this many times the upper end of the found range is far above. */
const FAR = 3;

/** `of` names quantity and scale; another one begins anew. */
export function useColourRange(of: string, found: Domain, values: readonly Float32Array[]): ColourRange {
  const [held, hold] = useState<{ of: string; range: Domain | null }>({ of, range: null });
  useEffect(() => hold({ of, range: null }), [of]);
  const limits = useMemo(() => values.reduce<Domain>((sofar, own) => limitsOf(own, sofar), found), [found]);
  const chosen = held.of === of ? held.range : null;
  return {
    domain: chosen ?? found,
    found,
    limits,
    far: chosen ? Math.max(chosen[1], found[1] * FAR) : undefined,
    choose: (range) => hold({ of, range }),
  };
}
