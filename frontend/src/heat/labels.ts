/** The names beside a heat map: every row's where rows are high enough, else those of the modules they belong to. */
import { moduleOf, type Row } from "./rows";

/** Rows of at least so many pixels have their own name. */
export const LEAST_ROW = 10;
/** Lines of text need so many pixels. */
const LINE = 12;
const DEEPEST = 8;

/** A folded module says that it is one, and of how many layers. */
export function titleOf({ name, columns: { length } }: Row): string {
  return length > 1 ? `▸ ${name} (${length})` : name;
}

/** Neighbours of the same module, as first row and name; a row alone in its module keeps its own name. */
function groupsOf(rows: readonly Row[], depth: number): [number, string][] {
  const modules = rows.map((row) => (row.columns.length > 1 ? "" : moduleOf(row.name, depth)));
  return rows.flatMap((row, at): [number, string][] => {
    const module = modules[at] ?? "";
    if (at > 0 && module !== "" && modules[at - 1] === module) return [];
    return [[at, module !== "" && modules[at + 1] === module ? module : titleOf(row)]];
  });
}

/** The finest modules that hold more than two rows each on average, else each row for itself. */
function finestGroups(rows: readonly Row[]): [number, string][] {
  for (let depth = DEEPEST; depth > 0; depth--) {
    const groups = groupsOf(rows, depth);
    if (groups.length * 2 < rows.length) return groups;
  }
  return rows.map((row, at) => [at, titleOf(row)]);
}

/** A name per row, "" for none. */
export function labelsOf(rows: readonly Row[], rowHeight: number): string[] {
  if (rowHeight >= LEAST_ROW) return rows.map(titleOf);
  const labels = new Array<string>(rows.length).fill("");
  let free = 0;
  for (const [at, name] of finestGroups(rows)) {
    if (at * rowHeight < free) continue;
    labels[at] = name;
    free = at * rowHeight + LINE;
  }
  return labels;
}
