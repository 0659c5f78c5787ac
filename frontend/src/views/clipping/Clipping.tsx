/** Clipping over the steps: the norm against max_norm, the rate, the coefficient, the order, and a sentence that reads them. */
import { useMemo, useState } from "preact/hooks";
import { type Line, lineOf } from "../../charts/series";
import { extentOf } from "../../data/extent";
import { marksOf } from "../../data/findings";
import { columnAt, columnNamed, type Table } from "../../data/table";
import { type Tables, useTables } from "../../data/tables";
import { gapOf, type Key, useText } from "../../i18n";
import { LinePlot } from "../../parts/LinePlot";
import { Pick } from "../../parts/Pick";
import { Loaded, Missing } from "../../parts/States";
import { SeverityMark } from "../../parts/Status";
import { findingsOf, Verdict } from "../../parts/Verdict";
import { formatInteger, formatPercent, formatSteps, formatValue } from "../../text/numbers";
import type { ViewProps } from "../context";
import { type ClipColumns, type ClipReading, coefficientLine, isByValue, meanOf, readClip } from "./clip";

const WHOLE: [number, number] = [0, 1];
/** More than this share of the clips makes it the rule. */
const MOSTLY = 0.5;
const QUANTITIES = [
  "clip_global_norm",
  "clip_max_norm",
  "clip_coefficient",
  "clip_calls",
  "clip_bound",
  "clip_rate_10",
  "clip_rate_100",
  "clip_rate_1000",
  "clip_after_step",
  "clip_before_unscale",
] as const;
const NORMS = ["clip_global_norm", "clip_max_norm"];
const RATES = ["10", "100", "1000"] as const;
type Records = (typeof RATES)[number];
const NO_FINDINGS: never[] = [];
const FAMILY = "LD3";

interface CallProps extends ViewProps {
  tables: Tables;
  norms: Table;
  clip: ClipColumns;
}

/** SGD takes steps as long as its gradient; Adam and its kin normalise them away. */
function isPlainSgd(optimizer: string): boolean {
  return /^sgd/i.test(optimizer);
}

/** Share of the records in which the clip came too late, or before the unscaling. */
function harmOf({ tables, clip: { norm } }: CallProps, quantity: string): number | null {
  const table = tables.get(quantity);
  return meanOf(table ? columnNamed(table, norm.name) : undefined);
}

/** A clip that came when the gradients had been used changed nothing: what it multiplied them with is beside the point. */
function Sentence(props: CallProps & { reading: ClipReading }) {
  const { t, lang } = useText();
  const { reading, diagnosis } = props;
  const { norm } = props.clip;
  if ((harmOf(props, "clip_after_step") ?? 0) > MOSTLY) return null;
  const optimizer = String(diagnosis.value?.facts.optimizer ?? "");
  const steps = formatSteps(norm.firstStep[0] ?? null, norm.lastStep.at(-1) ?? null, lang);
  const median = formatValue(reading.median, lang);
  const share = formatPercent(reading.clippedShare, lang);
  const [some, all] = [formatInteger(reading.bound, lang), formatInteger(reading.clips, lang)];
  return (
    <p class="reading">
      {reading.clippedShare > 0 ? (
        <>
          {reading.clips > 0 ? t("clip.counted", { share, some, all }) : t("clip.active", { share })}
          {gapOf(lang)}
          {t("clip.median", { median })}
        </>
      ) : (
        t("clip.idle", { steps })
      )}
      {gapOf(lang)}
      {reading.clippedShare > 0 && optimizer && reading.median < 0.995
        ? t(isPlainSgd(optimizer) ? "clip.sgd" : "clip.adaptive", { optimizer, median })
        : ""}
      {gapOf(lang)}
      {reading.nonFinite > 0
        ? t("clip.nonfinite", {
            count: formatInteger(reading.nonFinite, lang),
            all: formatInteger(norm.flags.length, lang),
          })
        : ""}
    </p>
  );
}

/** When the clip came: after the gradients had been used, or before they were unscaled, it does harm. */
function Order(props: CallProps) {
  const { t, lang } = useText();
  const shares: [string, string, Key, Key, Key][] = [
    ["clip_after_step", "LD302", "clip.late", "clip.inTime", "clip.unseenStep"],
    ["clip_before_unscale", "LD303", "clip.scaled", "clip.unscaled", "clip.unseenScale"],
  ];
  // What a finding says is not said twice.
  const told = new Set(findingsOf(props.diagnosis.value?.findings ?? [], FAMILY).map(({ code }) => code));
  return (
    <ul class="readings">
      {shares.map(([quantity, code, bad, good, unseen]) => {
        if (told.has(code)) return null;
        const share = harmOf(props, quantity);
        if (share === null) return <li key={quantity}>{t(unseen)}</li>;
        if (share === 0) return <li key={quantity}>{t(good)}</li>;
        return (
          <li key={quantity} class="verdict">
            <SeverityMark severity={share > MOSTLY ? "error" : "warning"} />{" "}
            {t(bad, { share: formatPercent(share, lang) })}
          </li>
        );
      })}
    </ul>
  );
}

function useCharts(
  { tables, clip }: CallProps,
  records: Records,
): Record<"norm" | "rate" | "factor", Line[]> {
  const { t, lang } = useText();
  return useMemo(() => {
    const { norm, maxNorm } = clip;
    const limit = { ...lineOf(t("clip.max"), maxNorm), nonFinite: [] };
    const rates = tables.get(`clip_rate_${records}`);
    const rate = rates ? columnNamed(rates, norm.name) : undefined;
    return {
      norm: [lineOf(t("clip.norm"), norm), ...(isByValue(clip) ? [] : [limit])],
      rate: rate ? [lineOf(t("clip.rate"), rate)] : [],
      factor: [coefficientLine(t("clip.coefficient"), clip)],
    };
  }, [tables, clip, records, lang]);
}

function Call(props: CallProps) {
  const { norms, clip, theme, diagnosis, run } = props;
  const { t } = useText();
  // A point that stands for several records says nothing of how many clips they had.
  const whole = norms.records === norms.buckets;
  const reading = useMemo(() => readClip(clip, whole), [clip, whole]);
  const [records, setRecords] = useState<Records>("100");
  const lines = useCharts(props, records);
  const late = (harmOf(props, "clip_after_step") ?? 0) > MOSTLY;
  const findings = diagnosis.value?.findings ?? NO_FINDINGS;
  const marks = useMemo(() => marksOf(findingsOf(findings, FAMILY)), [findings]);
  const common = { theme, about: run.run, extent: extentOf(run), records: norms.records };
  return (
    <section>
      {clip.norm.name && norms.columns.length > 1 ? (
        <h3>{t("clip.call", { name: clip.norm.name })}</h3>
      ) : null}
      <h3>{t("clip.order")}</h3>
      <Order {...props} />
      <Sentence reading={reading} {...props} />
      <LinePlot
        {...common}
        lines={lines.norm}
        marks={marks}
        label={t("clip.normHeading")}
        height={240}
        startLog
        pin={{ quantities: NORMS, column: clip.norm.name }}
      />
      <h3>{t("clip.rateHeading", { count: records })}</h3>
      <Pick
        label={t("clip.rateOver")}
        value={records}
        options={RATES}
        name={(option) => option}
        choose={setRecords}
      />
      <LinePlot {...common} lines={lines.rate} label={t("clip.rate")} height={130} bounds={WHOLE} percent />
      <h3>{t(late ? "clip.coefficientLate" : "clip.coefficientHeading")}</h3>
      <LinePlot {...common} lines={lines.factor} label={t("clip.coefficient")} height={150} bounds={WHOLE} />
    </section>
  );
}

/** The calls that have a bound, each with its columns. */
function clipsOf(norms: Table, tables: Tables): ClipColumns[] {
  if (norms.buckets === 0) return [];
  return norms.columns.flatMap((name, index) => {
    const column = (quantity: string) => {
      const table = tables.get(quantity);
      return table ? columnNamed(table, name) : undefined;
    };
    const [norm, maxNorm] = [columnAt(norms, index), column("clip_max_norm")];
    const [coefficient, calls, bound] = ["clip_coefficient", "clip_calls", "clip_bound"].map(column);
    return maxNorm ? [{ norm, maxNorm, coefficient, calls, bound }] : [];
  });
}

function Calls(props: ViewProps & { tables: Tables }) {
  const norms = props.tables.get("clip_global_norm");
  const calls = useMemo(() => (norms ? clipsOf(norms, props.tables) : []), [norms, props.tables]);
  const { diagnosis, place, go } = props;
  if (!norms || calls.length === 0) return <Missing quantity="clip_global_norm" />;
  return (
    <>
      {diagnosis.value ? <Verdict diagnosis={diagnosis.value} family={FAMILY} place={place} go={go} /> : null}
      {calls.map((clip) => (
        <Call key={clip.norm.name} {...props} norms={norms} clip={clip} />
      ))}
    </>
  );
}

export function Clipping(props: ViewProps) {
  const { t } = useText();
  const tables = useTables(props.run, QUANTITIES);
  return (
    <section>
      <h2>{t("clip.heading")}</h2>
      <Loaded resource={tables} what={t("clip.heading")}>
        {(loaded) => <Calls {...props} tables={loaded} />}
      </Loaded>
    </section>
  );
}
