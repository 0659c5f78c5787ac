/** The loss taken apart: what the checks say, then stacked, as shares, as lines, before and after weights; what each term asks of the parameters. */
import { useMemo, useState } from "preact/hooks";
import { type Line, lineOf, lineThrough } from "../../charts/series";
import { extentOf } from "../../data/extent";
import { marksOf } from "../../data/findings";
import { columnAt, type Table } from "../../data/table";
import { type Tables, useTables } from "../../data/tables";
import type { Finding } from "../../data/types";
import { type T, useText } from "../../i18n";
import { CodeBlock } from "../../parts/Copy";
import { LinePlot } from "../../parts/LinePlot";
import { Switch } from "../../parts/Pick";
import { Loaded, Missing, Note } from "../../parts/States";
import { findingsOf, Verdict } from "../../parts/Verdict";
import { formatPercent } from "../../text/numbers";
import type { ViewProps } from "../context";
import { Conflict } from "./Conflict";
import { canStack, contributions, type Decomposition, plain, shares, weightedColumns } from "./decompose";
import { TermPicker } from "./TermPicker";
import { bySize, inOrder, MOST, type Sized, sumOf, sumOverLoss } from "./together";

const MODES = ["stacked", "share", "lines", "values"] as const;
const WHOLE: [number, number] = [0, 1];
type Mode = (typeof MODES)[number];

const QUANTITIES = ["loss_term", "loss_weight", "term_gradient_norm", "term_cosine", "loss"] as const;
const NO_FINDINGS: never[] = [];
const FAMILY = "LD4";
/** Where each finding of this view is seen: a term that is all, and one that has gone, which a stack hides. */
const SEEN_IN: [Mode, readonly string[]][] = [
  ["share", ["term-dominance", "regulariser-overwhelms"]],
  ["lines", ["term-collapse", "term-constant", "detached-term"]],
];

/** The picture in which the worst finding can be seen. */
export function modeFor(findings: readonly Finding[]): Mode {
  for (const { name } of findings) {
    const found = SEEN_IN.find(([, names]) => names.includes(name));
    if (found) return found[0];
  }
  return "stacked";
}

/** Sum of the terms and recorded loss differ by less: what single precision and a mean over steps leave. */
const SAME = 0.01;

/** What is drawn: which terms have a line of their own, and whether the others have one together. */
interface Choice {
  sized: Sized[];
  shown: ReadonlySet<string>;
  rest: boolean;
}

function withRest(parts: Decomposition, { sized, shown, rest }: Choice, t: T): Decomposition {
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
function coloured(lines: Line[], sized: Sized[]): Line[] {
  const places = new Map(sized.map(({ name }, at) => [name, at < MOST ? at : at + 1]));
  return lines.map((line) => ({ ...line, colour: places.get(line.name) ?? MOST }));
}

function linesOf({ steps, terms }: Decomposition, sized: Sized[]): Line[] {
  return coloured(
    terms.map(({ name, values }) => lineThrough(name, steps, values)),
    sized,
  );
}

interface Chosen {
  lines: Line[];
  /** False where a term is negative in view. */
  stackable: boolean;
}

/** Terms as lines of their own with all that their points stand for; the rest is a sum, of which extremes are not known. */
function ownLines(terms: Table, weights: Table | undefined, mode: Mode, choice: Choice, t: T): Line[] {
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

function useLines(tables: Tables, terms: Table, mode: Mode, choice: Choice): Chosen {
  const { t, lang } = useText();
  const weights = tables.get("loss_weight");
  const { sized, shown, rest } = choice;
  return useMemo(() => {
    const parts = withRest(contributions(terms, weights), choice, t);
    const stackable = canStack(parts);
    if (mode === "share") {
      const whole = shares(contributions(terms, weights));
      return { lines: linesOf(withRest(whole, choice, t), sized), stackable };
    }
    if (mode !== "stacked" || !stackable) {
      return { lines: ownLines(terms, weights, mode, choice, t), stackable };
    }
    const loss = tables.get("loss");
    const total = loss && loss.columns.length > 0 ? [lineOf(t("terms.total"), columnAt(loss, 0))] : [];
    const apart = total.map((line) => ({ ...line, apart: true, nonFinite: [] }));
    return { lines: [...linesOf(parts, sized), ...apart], stackable };
  }, [tables, terms, weights, mode, sized, shown, rest, lang]);
}

/** The largest terms each, the others together, unless somebody chose otherwise. */
function useChoice(sized: Sized[]): [Choice, (name: string) => void, (rest: boolean) => void] {
  const [chosen, setChosen] = useState<ReadonlySet<string> | null>(null);
  const [together, setTogether] = useState<boolean | null>(null);
  const first = useMemo(() => new Set(sized.slice(0, MOST).map(({ name }) => name)), [sized]);
  const shown = chosen ?? first;
  const toggle = (name: string) => {
    const next = new Set(shown);
    if (!next.delete(name)) next.add(name);
    setChosen(next);
  };
  return [{ sized, shown, rest: together ?? sized.length > MOST }, toggle, setTogether];
}

/** Whether the terms are all of the loss. */
function Sum({ parts, tables }: { parts: Decomposition; tables: Tables }) {
  const { t, lang } = useText();
  const loss = tables.get("loss");
  const share = useMemo(
    () => sumOverLoss(parts, loss && loss.columns.length > 0 ? columnAt(loss, 0) : undefined),
    [parts, loss],
  );
  if (share === null) return null;
  const same = Math.abs(share - 1) <= SAME;
  return (
    <p class={same ? "muted" : "verdict"}>
      {t(same ? "terms.sum" : "terms.sumOff", { share: formatPercent(share, lang) })}
    </p>
  );
}

function Drawn(props: ViewProps & { tables: Tables; terms: Table }) {
  const { tables, terms, run, theme, diagnosis } = props;
  const { t } = useText();
  const findings = diagnosis.value?.findings ?? NO_FINDINGS;
  const own = useMemo(() => findingsOf(findings, FAMILY), [findings]);
  const [picked, setMode] = useState<Mode | null>(null);
  const mode = picked ?? modeFor(own);
  const parts = useMemo(() => contributions(terms, tables.get("loss_weight")), [tables, terms]);
  const sized = useMemo(() => bySize(parts), [parts]);
  const [choice, toggle, setRest] = useChoice(sized);
  const marks = useMemo(() => marksOf(own), [own]);
  return (
    <>
      <Sum parts={parts} tables={tables} />
      <div class="controls">
        <Switch
          label={t("terms.mode")}
          value={mode}
          options={MODES}
          name={(option) => t(`terms.${option}`)}
          choose={setMode}
        />
        <span class="muted">{t(`terms.explain.${mode}`)}</span>
      </div>
      {terms.columns.length > 1 ? (
        <TermPicker
          sized={sized}
          shown={choice.shown}
          rest={choice.rest}
          weights={tables.get("loss_weight")}
          toggle={toggle}
          setRest={setRest}
        />
      ) : (
        <Note>{t("terms.one")}</Note>
      )}
      <TermPlot {...{ tables, terms, mode, choice, marks, theme }} about={run.run} extent={extentOf(run)} />
      <Gradients tables={tables} sized={sized} run={run} theme={theme} />
    </>
  );
}

/** What has to be written to have the gradients of each term. */
const DECOMPOSE = `terms = {"recon": recon, "kl": 0.1 * kl}
writer.decompose(terms, at=shared)  # before loss.backward(); shared: the last layer that all terms pass`;

/** What each term asks of the parameters, and whether they agree; said once how to have it where it was not recorded. */
function Gradients({
  tables,
  sized,
  run,
  theme,
}: Pick<ViewProps, "run" | "theme"> & { tables: Tables; sized: Sized[] }) {
  const { t } = useText();
  const [norms, cosines] = [tables.get("term_gradient_norm"), tables.get("term_cosine")];
  if (!norms && !cosines) {
    return (
      <section>
        <h3>{t("conflict.heading")}</h3>
        <Missing quantity="term_cosine" />
        <CodeBlock text={DECOMPOSE} />
      </section>
    );
  }
  return (
    <>
      <GradientShares table={norms} sized={sized} run={run} theme={theme} />
      <Conflict table={cosines} run={run} theme={theme} />
    </>
  );
}

interface PlotProps {
  tables: Tables;
  terms: Table;
  mode: Mode;
  choice: Choice;
  marks: ReturnType<typeof marksOf>;
  theme: ViewProps["theme"];
  about: string;
  extent: readonly [number, number];
}

function TermPlot({ tables, terms, mode, choice, ...rest }: PlotProps) {
  const { t } = useText();
  const { lines, stackable } = useLines(tables, terms, mode, choice);
  return (
    <>
      {mode === "stacked" && !stackable ? <Note>{t("terms.refused")}</Note> : null}
      <LinePlot
        key={mode}
        lines={lines}
        {...rest}
        label={t("chart.of", { what: t("terms.heading"), which: t(`terms.${mode}`) })}
        height={300}
        legend={false}
        stacked={mode === "share" || (mode === "stacked" && stackable)}
        percent={mode === "share"}
        {...(mode === "share" ? { bounds: WHOLE } : {})}
        records={terms.records}
      />
    </>
  );
}

/** What the optimizer sees of each term. */
function GradientShares({
  table,
  sized,
  run,
  theme,
}: Pick<ViewProps, "run" | "theme"> & { table: Table | undefined; sized: Sized[] }) {
  const { t, lang } = useText();
  const lines = useMemo(() => {
    if (!table) return [];
    const parts = shares(plain(table));
    // A term keeps the colour that it has in the loss.
    const known = new Set(sized.map(({ name }) => name));
    const all = [...sized, ...bySize(parts).filter(({ name }) => !known.has(name))];
    const first = new Set(all.slice(0, MOST).map(({ name }) => name));
    return linesOf(withRest(parts, { sized: all, shown: first, rest: true }, t), all);
  }, [table, sized, lang]);
  return (
    <section>
      <h3>{t("terms.gradientShare")}</h3>
      {lines.length === 0 ? (
        <Missing quantity="term_gradient_norm" />
      ) : (
        <LinePlot
          lines={lines}
          theme={theme}
          label={t("terms.gradientShare")}
          about={run.run}
          extent={extentOf(run)}
          height={200}
          legend={false}
          title=""
          stacked
          percent
          bounds={WHOLE}
        />
      )}
    </section>
  );
}

function Both(props: ViewProps & { tables: Tables }) {
  const { tables, diagnosis, place, go } = props;
  const terms = tables.get("loss_term");
  if (!terms || terms.columns.length === 0) return <Missing quantity="loss_term" />;
  return (
    <>
      {diagnosis.value ? <Verdict diagnosis={diagnosis.value} family={FAMILY} place={place} go={go} /> : null}
      <Drawn {...props} terms={terms} />
    </>
  );
}

export function Terms(props: ViewProps) {
  const { t } = useText();
  const tables = useTables(props.run, QUANTITIES);
  return (
    <section>
      <h2>{t("terms.heading")}</h2>
      <Loaded resource={tables} what={t("terms.heading")}>
        {(loaded) => <Both {...props} tables={loaded} />}
      </Loaded>
    </section>
  );
}
