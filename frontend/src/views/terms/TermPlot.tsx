/** The terms over the steps: stacked, as shares or as lines. */
import { useMemo } from "preact/hooks";
import { type Line, lineOf } from "../../charts/series";
import type { marksOf } from "../../data/findings";
import { columnAt, type Table } from "../../data/table";
import type { Tables } from "../../data/tables";
import { useText } from "../../i18n";
import { LinePlot } from "../../parts/LinePlot";
import { Note } from "../../parts/States";
import type { ViewProps } from "../context";
import { canStack, contributions, shares } from "./decompose";
import type { Mode } from "./modes";
import { type Choice, linesOf, ownLines, withRest } from "./termLines";

const WHOLE: [number, number] = [0, 1];

interface Chosen {
  lines: Line[];
  /** False where a term is negative in view. */
  stackable: boolean;
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

export function TermPlot({ tables, terms, mode, choice, ...rest }: PlotProps) {
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
