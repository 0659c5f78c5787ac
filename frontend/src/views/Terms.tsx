/** The loss taken apart: values, contributions and shares of its terms. */
import { useMemo, useState } from "preact/hooks";
import { type Line, lineOf, lineThrough } from "../charts/series";
import { marksOf } from "../data/findings";
import { columnAt } from "../data/table";
import { type Tables, useTables } from "../data/tables";
import { useText } from "../i18n";
import { LinePlot } from "../parts/LinePlot";
import { Loaded, Missing, Note } from "../parts/States";
import type { ViewProps } from "./context";
import { canStack, contributions, type Decomposition, shares } from "./decompose";

const MODES = ["values", "contributions", "share"] as const;
const WHOLE: [number, number] = [0, 1];
type Mode = (typeof MODES)[number];

const QUANTITIES = ["loss_term", "loss_weight"] as const;

function linesOf({ steps, terms }: Decomposition): Line[] {
  return terms.map(({ name, values }) => lineThrough(name, steps, values));
}

interface Chosen {
  lines: Line[];
  stackable: boolean;
}

function useLines(tables: Tables, mode: Mode): Chosen {
  return useMemo(() => {
    const terms = tables.get("loss_term");
    if (!terms) return { lines: [], stackable: false };
    const parts = contributions(terms, tables.get("loss_weight"));
    const stackable = canStack(parts);
    if (mode === "contributions") return { lines: linesOf(parts), stackable };
    if (mode === "share") return { lines: linesOf(shares(parts)), stackable: true };
    return { lines: terms.columns.map((name, index) => lineOf(name, columnAt(terms, index))), stackable };
  }, [tables, mode]);
}

function ModePicker({ mode, choose }: { mode: Mode; choose: (mode: Mode) => void }) {
  const { t } = useText();
  return (
    <fieldset class="modes" aria-label={t("terms.mode")}>
      {MODES.map((candidate) => (
        <button
          key={candidate}
          type="button"
          aria-pressed={candidate === mode}
          onClick={() => choose(candidate)}
        >
          {t(`terms.${candidate}`)}
        </button>
      ))}
    </fieldset>
  );
}

function Drawn({ tables, run, theme, diagnosis }: ViewProps & { tables: Tables }) {
  const { t } = useText();
  const [mode, setMode] = useState<Mode>("contributions");
  const [wish, setWish] = useState(true);
  const { lines, stackable } = useLines(tables, mode);
  const findings = diagnosis.value?.findings;
  const marks = useMemo(
    () => marksOf((findings ?? []).filter(({ code }) => code.startsWith("LD4"))),
    [findings],
  );
  if (lines.length === 0) return <Missing text="missing.terms" />;
  const refused = mode === "contributions" && wish && !stackable;
  return (
    <>
      {lines.length === 1 ? <Note>{t("terms.one")}</Note> : null}
      <div class="controls">
        <ModePicker mode={mode} choose={setMode} />
        {mode === "contributions" ? (
          <label>
            <input type="checkbox" checked={wish} onChange={() => setWish(!wish)} /> {t("terms.stack")}
          </label>
        ) : null}
      </div>
      <p class="muted">{t(`terms.explain.${mode}`)}</p>
      {refused ? <Note>{t("terms.refused")}</Note> : null}
      <LinePlot
        key={mode}
        lines={lines}
        marks={marks}
        theme={theme}
        label={`${t("terms.heading")}: ${t(`terms.${mode}`)} (${run.run})`}
        height={340}
        stacked={mode === "share" || (mode === "contributions" && wish && stackable)}
        percent={mode === "share"}
        {...(mode === "share" ? { bounds: WHOLE } : {})}
        records={tables.get("loss_term")?.records ?? 0}
      />
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
        {(loaded) => <Drawn {...props} tables={loaded} />}
      </Loaded>
    </section>
  );
}
