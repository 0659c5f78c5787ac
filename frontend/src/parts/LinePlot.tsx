/** A line chart with what belongs to it: keys and words, the switch of the axis, exports, the numbers as a table. */
import { useMemo, useRef, useState } from "preact/hooks";
import { Chart } from "../charts/Chart";
import { describeLines, sayStep } from "../charts/describe";
import { rowsOfLines } from "../charts/export";
import type { Board, Cursor } from "../charts/keys";
import { lineOption } from "../charts/lineOption";
import { paletteOf } from "../charts/palette";
import { type Line, wantsLog } from "../charts/series";
import type { LineSpec, Option, OtherAxis } from "../charts/spec";
import type { Mark } from "../data/findings";
import { currentZoom, type Range } from "../data/zoom";
import type { Theme } from "../host/theme";
import { type T, useText } from "../i18n";
import { formatInteger, formatPercent, formatValue } from "../text/numbers";
import type { ECharts } from "../vendor";
import { Export } from "./Export";
import { Keyboard } from "./Keyboard";
import { NumberTable, sampleSteps } from "./NumberTable";

export interface PlotProps {
  lines: Line[];
  theme: Theme;
  label: string;
  /** What the y axis shows, with its unit; else the label. */
  title?: string;
  /** Name of the run, for exports. */
  about: string;
  /** First and last step of the axis. */
  extent: Range;
  height?: number;
  marks?: Mark[];
  thresholds?: LineSpec["thresholds"];
  stacked?: boolean;
  percent?: boolean;
  /** The y range; with one there is no logarithmic axis. */
  bounds?: [number, number];
  /** Start with a logarithmic axis even where the values span little. */
  startLog?: boolean;
  /** Records that stand behind the points, to say when they were thinned. */
  records?: number;
  /** What the x axis shows, if not steps. */
  axis?: OtherAxis | undefined;
}

const NONE: never[] = [];

function stepAxis(t: T, lang: string): OtherAxis {
  const step = (value: number) => formatInteger(Math.round(value), lang);
  return { name: t("chart.steps"), step, place: (value) => t("chart.atStep", { step: step(value) }) };
}

function useSpec(props: PlotProps, log: boolean): LineSpec {
  const { t, lang } = useText();
  const { lines, theme, marks = NONE, thresholds = NONE, bounds, stacked = false, percent = false } = props;
  const axis = props.axis ?? stepAxis(t, lang);
  const [first, last] = props.extent;
  return useMemo(
    () => ({
      lines,
      title: props.title ?? props.label,
      marks,
      thresholds,
      log,
      stacked,
      extent: [first, last],
      bounds,
      palette: paletteOf(theme),
      words: { step: axis.name, zero: t("chart.zero"), nonFinite: t("chart.nonfinite") },
      format: {
        value: (value: number, digits?: number) =>
          percent ? formatPercent(value, lang) : formatValue(value, lang, digits),
        step: axis.step,
        place: axis.place,
      },
    }),
    [
      ...[lines, marks, thresholds, log, stacked, percent, first, last, bounds, theme, lang, props.axis],
      ...[props.title, props.label],
    ],
  );
}

/** Steps of all lines, and the places where something is not a number. */
function boardOf(lines: Line[], extent: Range): Board {
  const steps = sampleSteps(lines, Number.POSITIVE_INFINITY);
  const starts = new Set(lines.flatMap((line) => line.nonFinite.map(([first]) => first)));
  for (const line of lines) if (line.peak) starts.add(line.peak[0]);
  const near = (step: number) =>
    Math.max(
      0,
      steps.findIndex((candidate) => candidate >= step),
    );
  const places = [...new Set([...starts].map(near))].sort((a, b) => a - b);
  return { steps, rows: 1, extent, anomalies: places.map((at) => ({ at, row: 0 })) };
}

function Notes({ props, drawn }: { props: PlotProps; drawn: number }) {
  const { t, lang } = useText();
  const { records } = props;
  if (records === undefined || records <= drawn) return null;
  const numbers = { records: formatInteger(records, lang), buckets: formatInteger(drawn, lang) };
  return <span>{t("chart.thinned", numbers)}</span>;
}

function LogSwitch({ log, choose }: { log: boolean; choose: (log: boolean) => void }) {
  const { t } = useText();
  return (
    <label>
      <input type="checkbox" checked={log} onChange={() => choose(!log)} /> {t("chart.log")}
    </label>
  );
}

function SavePlot(props: PlotProps & { option: Option; spec: LineSpec; height: number }) {
  const { about, label, lines, option, spec, height } = props;
  const [from, to] = currentZoom() ?? spec.extent;
  const steps = `${spec.format.step(Math.ceil(from))} – ${spec.format.step(Math.floor(to))}`;
  const sheet = () => ({
    ...{ option, height, palette: spec.palette, extent: spec.extent, zoom: currentZoom() },
    title: `${label} · ${about} · ${steps}`,
  });
  const rows = () => rowsOfLines(about, lines, props.axis?.name);
  return <Export name={[about, label]} sheet={sheet} rows={rows} />;
}

export function LinePlot(props: PlotProps) {
  const { lines, label, height = 220, stacked = false, startLog = false } = props;
  const { t, lang } = useText();
  const [choice, setChoice] = useState<boolean | null>(null);
  const [tabled, setTabled] = useState(false);
  const chart = useRef<ECharts | null>(null);
  const negative = useMemo(
    () => lines.some((line) => line.points.some(([, y]) => y !== null && y < 0)),
    [lines],
  );
  const possible = !stacked && !props.bounds && !negative;
  const log = possible && (choice ?? (startLog || wantsLog(lines)));
  const spec = useSpec(props, log);
  const option = useMemo(() => lineOption(spec), [spec]);
  const board = useMemo(() => boardOf(lines, spec.extent), [lines, spec.extent]);
  const summary = useMemo(() => describeLines(lines, spec.format, t, lang), [spec]);
  const point = ({ at }: Cursor) => {
    const x = chart.current?.convertToPixel({ xAxisIndex: 0 }, board.steps[at] ?? 0);
    chart.current?.dispatchAction({ type: "showTip", x, y: height / 2 });
  };
  return (
    <figure class="plot">
      <Keyboard
        label={label}
        summary={summary}
        board={board}
        say={({ at }) => sayStep(lines, board.steps[at] ?? 0, spec.format, t)}
        move={point}
        table={() => setTabled(!tabled)}
      >
        <Chart
          option={option}
          height={height}
          label={label}
          extent={spec.extent}
          ready={(instance) => {
            chart.current = instance;
          }}
        />
      </Keyboard>
      <figcaption>
        {possible ? <LogSwitch log={log} choose={setChoice} /> : null}
        <Notes props={props} drawn={Math.max(0, ...lines.map((line) => line.points.length))} />
        <SavePlot {...props} option={option} spec={spec} height={height} />
        <NumberTable lines={lines} spec={spec} open={tabled} toggle={setTabled} />
      </figcaption>
    </figure>
  );
}
