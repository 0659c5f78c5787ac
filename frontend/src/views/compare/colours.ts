/** Colours of compared runs: those that TensorBoard's own charts have, so that a run is known again from tab to tab. */
import { createContext } from "preact";
import { useMemo } from "preact/hooks";
import { paletteOf } from "../../charts/palette";
import { getListed } from "../../data/client";
import { useResource } from "../../data/resource";
import type { RunSummary } from "../../data/types";
import { isExported } from "../../host/exported";
import type { Theme } from "../../host/theme";

/** TensorBoard has these in turn, by the place of a run in its own list. */
const TURN = ["#425066", "#12b5cb", "#e52592", "#f9ab00", "#9334e6", "#7cb342", "#e8710a"];
/** The first of them in the dark. */
const DARK_SLATE = "#8e98a3";

/** TensorBoard's colour, unless it does not list the run or one before has it already: then one of ours. */
export function coloursOf(runs: readonly string[], listed: readonly string[], theme: Theme): string[] {
  const taken = new Set<string>();
  return runs.map((run, at) => {
    const turn = listed.indexOf(run) % TURN.length;
    const theirs = turn === 0 && theme === "dark" ? DARK_SLATE : TURN[turn];
    const colour = theirs && !taken.has(theirs) ? theirs : (paletteOf(theme).series[at] ?? "");
    taken.add(colour);
    return colour;
  });
}

/** Of the runs that are compared, in their order. */
export const RunColours = createContext<string[]>([]);

export function useRunColours(chosen: RunSummary[], theme: Theme): string[] {
  const names = chosen.map(({ run }) => run);
  const about = names.length > 1 && !isExported() ? "listed" : null;
  const listed = useResource(about, names.join("\n"), getListed).value;
  return useMemo(() => coloursOf(names, listed ?? [], theme), [names.join("\n"), listed, theme]);
}
