/** A line chart with what belongs to it: the switch of the axis, the note on thinning, the numbers as a table. */
import { useMemo, useState } from "preact/hooks";
import { Chart } from "../charts/Chart";
import { lineOption } from "../charts/lineOption";
import { paletteOf } from "../charts/palette";
import { type Line, wantsLog } from "../charts/series";
import type { LineSpec, Mark } from "../charts/spec";
import type { Theme } from "../host/theme";
import { useText } from "../i18n";
import { formatInteger, formatPercent, formatValue } from "../text/numbers";
import { NumberTable } from "./NumberTable";

interface Props {
  lines: Line[];
  theme: Theme;
  label: string;
  height?: number;
  marks?: Mark[];
  thresholds?: LineSpec["thresholds"];
  range?: [number, number] | undefined;
  stacked?: boolean;
  percent?: boolean;
  /** The y range; with one there is no logarithmic axis. */
  bounds?: [number, number];
  /** Start with a logarithmic axis even where the values span little. */
  startLog?: boolean;
  /** Records that stand behind the points, to say when they were thinned. */
  records?: number;
}

const NONE: never[] = [];

function useSpec(props: Props, log: boolean): LineSpec {
  const { t, lang } = useText();
  const {
    lines,
    theme,
    marks = NONE,
    thresholds = NONE,
    range,
    bounds,
    stacked = false,
    percent = false,
  } = props;
  return useMemo(
    () => ({
      lines,
      marks,
      thresholds,
      log,
      stacked,
      range,
      bounds,
      palette: paletteOf(theme),
      words: { step: t("chart.steps"), zero: t("chart.zero"), nonFinite: t("chart.nonfinite") },
      format: {
        value: (value: number) => (percent ? formatPercent(value, lang) : formatValue(value, lang)),
        step: (value: number) => formatInteger(value, lang),
      },
    }),
    [lines, marks, thresholds, log, stacked, percent, range, bounds, theme, lang],
  );
}

export function LinePlot(props: Props) {
  const { lines, label, height = 220, stacked = false, startLog = false, records } = props;
  const { t, lang } = useText();
  const [choice, setChoice] = useState<boolean | null>(null);
  const possible =
    !stacked && !props.bounds && !lines.some((line) => line.points.some(([, y]) => y !== null && y < 0));
  const log = possible && (choice ?? (startLog || wantsLog(lines)));
  const spec = useSpec(props, log);
  const option = useMemo(() => lineOption(spec), [spec]);
  const drawn = Math.max(0, ...lines.map((line) => line.points.length));
  return (
    <figure class="plot">
      <Chart option={option} height={height} label={label} />
      <figcaption>
        {possible ? (
          <label>
            <input type="checkbox" checked={log} onChange={() => setChoice(!log)} /> {t("chart.log")}
          </label>
        ) : null}
        {records !== undefined && records > drawn ? (
          <span>
            {t("chart.thinned", {
              records: formatInteger(records, lang),
              buckets: formatInteger(drawn, lang),
            })}
          </span>
        ) : null}
        <NumberTable lines={lines} format={spec.format} />
      </figcaption>
    </figure>
  );
}
