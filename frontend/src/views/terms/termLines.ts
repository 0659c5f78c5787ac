/** The terms as lines: the chosen ones each, the others as one, each in the colour of its place by size. */
import { type Line, lineOf, lineThrough } from "../../charts/series";
import { columnAt, type Table } from "../../data/table";
import type { T } from "../../i18n";
import { contributions, type Decomposition, weightedColumns } from "./decompose";
import type { Mode } from "./modes";
import { inOrder, MOST, type Sized, sumOf } from "./together";

/** What is drawn: which terms have a line of their own, and whether the others have one together. */
export interface Choice {
  sized: Sized[];
  shown: ReadonlySet<string>;
  rest: boolean;
}

export function withRest(parts: Decomposition, { sized, shown, rest }: Choice, t: T): Decomposition {
  const names = sized.map(({ name }) => name);
  const own = inOrder(
    parts,
    names.filter((name) => shown.has(name)),
  );
  const others = inOrder(
    parts,
    names.filter((name) => !shown.has(name)),
  );
  const count = others.terms.length;
  if (!rest || count === 0) return own;
  return { ...own, terms: [...own.terms, sumOf(others, t("terms.rest", { count }))] };
}

/** A term has its colour, which is its place by size, in every picture; the rest has the last one. */
export function coloured(lines: Line[], sized: Sized[]): Line[] {
  const places = new Map(sized.map(({ name }, at) => [name, at < MOST ? at : at + 1]));
  return lines.map((line) => ({ ...line, colour: places.get(line.name) ?? MOST }));
}

export function linesOf({ steps, terms }: Decomposition, sized: Sized[]): Line[] {
  return coloured(
    terms.map(({ name, values }) => lineThrough(name, steps, values)),
    sized,
  );
}

/** Terms as lines of their own with all that their points stand for; the rest is a sum, of which extremes are not known. */
export function ownLines(terms: Table, weights: Table | undefined, mode: Mode, choice: Choice, t: T): Line[] {
  const raw = terms.columns.map((_, index) => columnAt(terms, index));
  const columns = mode === "values" ? raw : weightedColumns(terms, weights);
  const named = new Map(columns.map((column) => [column.name, column]));
  const own = choice.sized.flatMap(({ name }) => {
    const column = choice.shown.has(name) ? named.get(name) : undefined;
    return column ? [lineOf(name, column)] : [];
  });
  if (mode === "values") return coloured(own, choice.sized);
  const parts = withRest(contributions(terms, weights), choice, t);
  const rest = parts.terms
    .slice(own.length)
    .map(({ name, values }) => lineThrough(name, parts.steps, values));
  return coloured([...own, ...rest], choice.sized);
}
