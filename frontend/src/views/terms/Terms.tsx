/** The loss taken apart: what the checks say, then stacked, as shares, as lines, before and after weights; what each term asks of the parameters. */
import { useMemo, useState } from "preact/hooks";
import { extentOf } from "../../data/extent";
import { marksOf } from "../../data/findings";
import { columnAt, type Table } from "../../data/table";
import { type Tables, useTables } from "../../data/tables";
import { useText } from "../../i18n";
import { Switch } from "../../parts/Pick";
import { Loaded, Missing, Note } from "../../parts/States";
import { findingsOf, Verdict } from "../../parts/Verdict";
import { formatPercent } from "../../text/numbers";
import type { ViewProps } from "../context";
import { contributions, type Decomposition } from "./decompose";
import { MODES, type Mode, modeFor } from "./modes";
import { TermGradients } from "./TermGradients";
import { TermPicker } from "./TermPicker";
import { TermPlot } from "./TermPlot";
import type { Choice } from "./termLines";
import { bySize, MOST, type Sized, sumOverLoss } from "./together";

const QUANTITIES = ["loss_term", "loss_weight", "term_gradient_norm", "term_cosine", "loss"] as const;
const NO_FINDINGS: never[] = [];
const FAMILY = "LD4";
/** Sum of the terms and recorded loss differ by less: what single precision and a mean over steps leave. */
const SAME = 0.01;

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
      <TermGradients tables={tables} sized={sized} run={run} theme={theme} />
    </>
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
