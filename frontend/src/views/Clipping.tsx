/** Clipping over the steps: the norm against max_norm, the resulting coefficient, and a sentence that reads them. */
import { useMemo } from "preact/hooks";
import { lineOf, lineThrough } from "../charts/series";
import { marksOf } from "../data/findings";
import { type Column, columnAt, columnNamed, type Table } from "../data/table";
import { useTables } from "../data/tables";
import { useText } from "../i18n";
import { LinePlot } from "../parts/LinePlot";
import { Loaded, Missing } from "../parts/States";
import { formatPercent, formatSteps, formatValue } from "../text/numbers";
import { type ClipReading, readClip } from "./clip";
import type { ViewProps } from "./context";

const WHOLE: [number, number] = [0, 1];

interface CallProps extends ViewProps {
  norms: Table;
  norm: Column;
  maxNorm: Column;
}

/** SGD takes steps as long as its gradient; Adam and its kin normalise them away. */
function isPlainSgd(optimizer: string): boolean {
  return /^sgd/i.test(optimizer);
}

function Sentence({ reading, norm, diagnosis }: CallProps & { reading: ClipReading }) {
  const { t, lang } = useText();
  const optimizer = String(diagnosis.value?.facts.optimizer ?? "");
  const steps = formatSteps(norm.firstStep[0] ?? null, norm.lastStep.at(-1) ?? null, lang);
  const median = formatValue(reading.median, lang);
  const share = formatPercent(reading.clippedShare, lang);
  return (
    <p class="reading">
      {reading.clippedShare > 0 ? t("clip.active", { share, median }) : t("clip.idle", { steps })}{" "}
      {reading.clippedShare > 0 && optimizer
        ? t(isPlainSgd(optimizer) ? "clip.sgd" : "clip.adaptive", { optimizer, median })
        : ""}{" "}
      {reading.nonFinite > 0 ? t("clip.nonfinite", { count: reading.nonFinite }) : ""}
    </p>
  );
}

function Call(props: CallProps) {
  const { norms, norm, maxNorm, theme, diagnosis } = props;
  const { t, lang } = useText();
  const reading = useMemo(() => readClip(norm, maxNorm), [norm, maxNorm]);
  const lines = useMemo(
    () => [lineOf(t("clip.norm"), norm), { ...lineOf(t("clip.max"), maxNorm), nonFinite: [] }],
    [norm, maxNorm, lang],
  );
  const factor = useMemo(
    () => [lineThrough(t("clip.coefficient"), norm.lastStep, reading.coefficients)],
    [reading, lang],
  );
  const findings = diagnosis.value?.findings;
  const marks = useMemo(
    () => marksOf((findings ?? []).filter(({ code }) => code.startsWith("LD3"))),
    [findings],
  );
  return (
    <section>
      {norm.name && norms.columns.length > 1 ? <h3>{t("clip.call", { name: norm.name })}</h3> : null}
      <Sentence reading={reading} {...props} />
      <LinePlot
        lines={lines}
        marks={marks}
        theme={theme}
        label={t("clip.heading")}
        height={260}
        startLog
        records={norms.records}
      />
      <h3>{t("clip.coefficientHeading")}</h3>
      <LinePlot lines={factor} theme={theme} label={t("clip.coefficient")} height={180} bounds={WHOLE} />
    </section>
  );
}

export function Clipping(props: ViewProps) {
  const { t } = useText();
  const tables = useTables(props.run, ["clip_global_norm", "clip_max_norm"]);
  return (
    <section>
      <h2>{t("clip.heading")}</h2>
      <Loaded resource={tables} what={t("clip.heading")}>
        {(loaded) => (
          <Calls {...props} norms={loaded.get("clip_global_norm")} maxima={loaded.get("clip_max_norm")} />
        )}
      </Loaded>
    </section>
  );
}

function Calls(props: ViewProps & { norms: Table | undefined; maxima: Table | undefined }) {
  const { norms, maxima } = props;
  const calls = useMemo(() => {
    if (!norms || !maxima || norms.buckets === 0) return [];
    return norms.columns.flatMap((name, index) => {
      const maxNorm = columnNamed(maxima, name);
      return maxNorm ? [{ name, norm: columnAt(norms, index), maxNorm }] : [];
    });
  }, [norms, maxima]);
  if (!norms || calls.length === 0) return <Missing text="missing.clipping" />;
  return (
    <>
      {calls.map(({ name, norm, maxNorm }) => (
        <Call key={name} {...props} norms={norms} norm={norm} maxNorm={maxNorm} />
      ))}
    </>
  );
}
