/** A curve that a finding was decided from, with the finding's steps shaded, its threshold and its deciding point. */
import { useMemo } from "preact/hooks";
import type { Line } from "../../charts/series";
import type { LineSpec } from "../../charts/spec";
import { extentOf } from "../../data/extent";
import { marksOf } from "../../data/findings";
import type { Finding, RunSummary } from "../../data/types";
import type { Theme } from "../../host/theme";
import { useText } from "../../i18n";
import { LinePlot } from "../../parts/LinePlot";
import { withUnit } from "../../text/units";

interface Props {
  finding: Finding;
  run: RunSummary;
  theme: Theme;
  lines: Line[];
  thresholds: LineSpec["thresholds"];
  deciding: LineSpec["deciding"];
  name: string;
  unit: string;
  records?: number;
  startLog?: boolean;
}

export function FindingPlot({ finding, run, name, unit, ...curve }: Props) {
  const { t } = useText();
  const marks = useMemo(() => marksOf([finding]), [finding]);
  return (
    <LinePlot
      {...curve}
      marks={marks}
      label={`${finding.code}: ${name}`}
      title={withUnit(name, unit, t)}
      about={run.run}
      extent={extentOf(run)}
      height={180}
    />
  );
}
