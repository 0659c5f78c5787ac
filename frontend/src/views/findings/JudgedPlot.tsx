/** The series that a rule judged, where no recorded quantity is that: with its threshold as a line and the deciding point. */
import { useMemo } from "preact/hooks";
import { type Line, lineThrough } from "../../charts/series";
import type { LineSpec } from "../../charts/spec";
import { type Evidence, type Finding, type Judged, type RunSummary, toNumber } from "../../data/types";
import type { Theme } from "../../host/theme";
import { type T, useText } from "../../i18n";
import { formatInteger, formatValue } from "../../text/numbers";
import { FindingPlot } from "./FindingPlot";

interface Props {
  finding: Finding;
  entry: Evidence;
  judged: Judged;
  run: RunSummary;
  theme: Theme;
}

/** Evidence that brings the series that was judged. */
export function judgedOf(evidence: Evidence[]): [Evidence, Judged][] {
  return evidence.flatMap((entry): [Evidence, Judged][] => (entry.judged ? [[entry, entry.judged]] : []));
}

/** A name without the marks of code: axes and legends show plain text. */
export function plainName(name: string): string {
  return name.replaceAll("`", "");
}

export function judgedLine({ name, steps, values }: Judged): Line {
  return lineThrough(plainName(name), steps, values);
}

/** The point of the series that decided, or that lay nearest to the level which did. */
export function decidingPoint({ at, steps, values }: Judged, lang: string): LineSpec["deciding"] {
  const value = values[steps.indexOf(at)];
  return value === undefined ? [] : [{ step: at, value, label: formatValue(value, lang) }];
}

function thresholdOf(entry: Evidence, t: T, lang: string): LineSpec["thresholds"] {
  const value = toNumber(entry.threshold);
  if (value === null || !Number.isFinite(value)) return [];
  return [{ value, label: t("chart.threshold", { value: formatValue(value, lang) }) }];
}

/** So many times apart, a bound and the values beside it are told apart on a logarithmic axis only. */
const FAR = 20;

/** Whether the series and its bound need a logarithmic axis. */
export function isFar(entry: Evidence, { values }: Judged): boolean {
  const bound = toNumber(entry.threshold);
  if (bound === null || !(bound > 0) || values.some((value) => !(value > 0))) return false;
  return Math.max(bound, ...values) > FAR * Math.min(bound, ...values);
}

function caption(entry: Evidence, judged: Judged, t: T, lang: string): string {
  const [observed, threshold] = [toNumber(entry.observed), toNumber(entry.threshold)];
  const values = {
    name: plainName(judged.name),
    observed: formatValue(observed, lang),
    threshold: formatValue(threshold, lang),
    step: formatInteger(judged.at, lang),
  };
  return t(threshold === null ? "findings.judgedOnly" : "findings.judged", values);
}

export function JudgedPlot({ finding, entry, judged, run, theme }: Props) {
  const { t, lang } = useText();
  const lines = useMemo(() => [judgedLine(judged)], [judged]);
  const thresholds = useMemo(() => thresholdOf(entry, t, lang), [entry, lang]);
  const deciding = useMemo(() => decidingPoint(judged, lang), [judged, lang]);
  return (
    <>
      <FindingPlot
        finding={finding}
        run={run}
        theme={theme}
        lines={lines}
        thresholds={thresholds}
        deciding={deciding}
        name={plainName(judged.name)}
        unit={judged.unit}
        startLog={isFar(entry, judged)}
      />
      <p class="judged">{caption(entry, judged, t, lang)}</p>
    </>
  );
}
