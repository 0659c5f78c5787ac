/** The loss taken apart: stacked, as shares, as lines, before and after weights; what each term asks of the parameters. */
import { useMemo, useState } from "preact/hooks";
import { type Line, lineOf, lineThrough } from "../../charts/series";
import { extentOf } from "../../data/extent";
import { marksOf } from "../../data/findings";
import { columnAt, type Table } from "../../data/table";
import { type Tables, useTables } from "../../data/tables";
import { useText } from "../../i18n";
import { LinePlot } from "../../parts/LinePlot";
import { Switch } from "../../parts/Pick";
import { Loaded, Missing, Note } from "../../parts/States";
import type { ViewProps } from "../context";
import { Conflict } from "./Conflict";
import {
  canStack,
  contributions,
  type Decomposition,
  only,
  plain,
  shares,
  weightedColumns,
} from "./decompose";

const MODES = ["stacked", "share", "lines", "values"] as const;
const WHOLE: [number, number] = [0, 1];
type Mode = (typeof MODES)[number];

const QUANTITIES = ["loss_term", "loss_weight", "term_gradient_norm", "term_cosine"] as const;
const NO_FINDINGS: never[] = [];

function linesOf({ steps, terms }: Decomposition): Line[] {
  return terms.map(({ name, values }) => lineThrough(name, steps, values));
}

interface Chosen {
  lines: Line[];
  /** False where a term is negative in view. */
  stackable: boolean;
}

function useLines(terms: Table, weights: Table | undefined, mode: Mode, hidden: ReadonlySet<string>): Chosen {
  return useMemo(() => {
    const shown = new Set(terms.columns.filter((name) => !hidden.has(name)));
    const parts = only(contributions(terms, weights), shown);
    const stackable = canStack(parts);
    if (mode === "stacked" && stackable) return { lines: linesOf(parts), stackable };
    if (mode === "share") return { lines: linesOf(shares(parts)), stackable };
    const raw = terms.columns.map((_, index) => columnAt(terms, index));
    const columns = mode === "values" ? raw : weightedColumns(terms, weights);
    const visible = columns.filter(({ name }) => shown.has(name));
    return { lines: visible.map((column) => lineOf(column.name, column)), stackable };
  }, [terms, weights, mode, hidden]);
}

/** Which terms are shown, as check boxes: a legend that only the mouse can reach is none. */
function TermPicker(props: { names: string[]; hidden: ReadonlySet<string>; toggle: (name: string) => void }) {
  const { t } = useText();
  return (
    <fieldset class="modes" aria-label={t("terms.shown")}>
      {props.names.map((name) => (
        <label key={name}>
          <input type="checkbox" checked={!props.hidden.has(name)} onChange={() => props.toggle(name)} />{" "}
          {name}
        </label>
      ))}
    </fieldset>
  );
}

function useHidden(): [ReadonlySet<string>, (name: string) => void] {
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const toggle = (name: string) =>
    setHidden((old) => {
      const next = new Set(old);
      if (!next.delete(name)) next.add(name);
      return next;
    });
  return [hidden, toggle];
}

function Drawn({ tables, run, theme, diagnosis }: ViewProps & { tables: Tables }) {
  const terms = tables.get("loss_term");
  const { t } = useText();
  const [mode, setMode] = useState<Mode>("stacked");
  const [hidden, toggle] = useHidden();
  const findings = diagnosis.value?.findings ?? NO_FINDINGS;
  const marks = useMemo(() => marksOf(findings.filter(({ code }) => code.startsWith("LD4"))), [findings]);
  if (!terms || terms.columns.length === 0) return <Missing quantity="loss_term" />;
  return (
    <>
      {terms.columns.length === 1 ? <Note>{t("terms.one")}</Note> : null}
      <div class="controls">
        <Switch
          label={t("terms.mode")}
          value={mode}
          options={MODES}
          name={(option) => t(`terms.${option}`)}
          choose={setMode}
        />
        {terms.columns.length > 1 ? (
          <TermPicker names={terms.columns} hidden={hidden} toggle={toggle} />
        ) : null}
      </div>
      <p class="muted">{t(`terms.explain.${mode}`)}</p>
      <TermPlot
        {...{ terms, mode, hidden, marks, theme }}
        weights={tables.get("loss_weight")}
        about={run.run}
        extent={extentOf(run)}
      />
      <GradientShares table={tables.get("term_gradient_norm")} run={run} theme={theme} />
      <Conflict table={tables.get("term_cosine")} run={run} theme={theme} />
    </>
  );
}

interface PlotProps {
  terms: Table;
  weights: Table | undefined;
  mode: Mode;
  hidden: ReadonlySet<string>;
  marks: ReturnType<typeof marksOf>;
  theme: ViewProps["theme"];
  about: string;
  extent: readonly [number, number];
}

function TermPlot({ terms, weights, mode, hidden, ...rest }: PlotProps) {
  const { t } = useText();
  const { lines, stackable } = useLines(terms, weights, mode, hidden);
  return (
    <>
      {mode === "stacked" && !stackable ? <Note>{t("terms.refused")}</Note> : null}
      <LinePlot
        key={mode}
        lines={lines}
        {...rest}
        label={`${t("terms.heading")}: ${t(`terms.${mode}`)}`}
        height={300}
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
  run,
  theme,
}: Pick<ViewProps, "run" | "theme"> & { table: Table | undefined }) {
  const { t } = useText();
  const lines = useMemo(() => (table ? linesOf(shares(plain(table))) : []), [table]);
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
          stacked
          percent
          bounds={WHOLE}
        />
      )}
    </section>
  );
}

export function Terms(props: ViewProps) {
  const { t } = useText();
  const tables = useTables(props.run, QUANTITIES);
  return (
    <section>
      <h2>{t("terms.heading")}</h2>
      <Loaded resource={tables} what={t("terms.heading")}>
        {(loaded) => <Drawn {...props} tables={loaded} />}
      </Loaded>
    </section>
  );
}
