/** Which looks occur in a heat map: a legend explains those. */
import { Flag, type Matrix } from "../data/table";
import { RAIL, railOf } from "./events";
import { codeOf, FAR_ABOVE } from "./grid";

export type Seen = ReadonlySet<"far" | "nan" | "inf" | "zero" | "absent" | "broken" | "spike">;

export function seenIn(matrix: Matrix, domain: readonly [number, number], far: number | undefined): Seen {
  const seen = new Set<"far" | "nan" | "inf" | "zero" | "absent" | "broken" | "spike">();
  let [flags, rail, most] = [0, 0, 0];
  for (const bits of matrix.flags) flags |= bits;
  for (const bits of railOf(matrix)) rail |= bits;
  for (const value of matrix.max) if (value > most && Number.isFinite(value)) most = value;
  if (flags & Flag.nan) seen.add("nan");
  if (flags & (Flag.plusInf | Flag.minusInf)) seen.add("inf");
  if (flags & Flag.zero) seen.add("zero");
  if (flags & Flag.absent) seen.add("absent");
  if (rail & RAIL.broken) seen.add("broken");
  if (rail & RAIL.spike) seen.add("spike");
  if (codeOf(most, domain, far) === FAR_ABOVE) seen.add("far");
  return seen;
}
