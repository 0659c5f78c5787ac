/** A line chart with what belongs to it: keys and words, the switch of the axis, exports, the numbers as a table. */
import { useContext, useMemo, useRef, useState } from "preact/hooks";
import { Chart } from "../charts/Chart";
import { describeLines, sayStep } from "../charts/describe";
import { followDrag } from "../charts/drag";
import { rowsOfLines } from "../charts/export";
import type { Board, Cursor } from "../charts/keys";
import { lineOption, shortNames } from "../charts/lineOption";
import { colourOf } from "../charts/lineSeries";
import { paletteOf } from "../charts/palette";
import { type Line, wantsLog } from "../charts/series";
import { smoothed } from "../charts/smooth";
import type { Format, LineSpec, Option, OtherAxis } from "../charts/spec";
import { ClockContext, type RunClock, timeOfDay } from "../data/clock";
import type { Mark } from "../data/findings";
import type { Pin } from "../data/pins";
import { type Places, usePlaces, useSmoothing } from "../data/reading";
import { currentZoom, type Range } from "../data/zoom";
import { useEscape } from "../host/escape";
import type { Theme } from "../host/theme";
import { type T, useText } from "../i18n";
import { formatDuration, formatInteger, formatPercent, formatValue } from "../text/numbers";
import type { ECharts } from "../vendor";
import { Export } from "./Export";
import { Keyboard } from "./Keyboard";
import { LineNames } from "./LineNames";
import { NumberTable, sampleSteps } from "./NumberTable";
import { PlotMenu } from "./PlotMenu";
import { Edge, HeightField, useHeight } from "./Resize";

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
  deciding?: LineSpec["deciding"];
  stacked?: boolean;
  /** False where one legend serves several charts. */
  legend?: boolean;
  percent?: boolean;
  /** The y range; with one there is no logarithmic axis. */
  bounds?: [number, number];
  /** Start with a logarithmic axis even where the values span little. */
  startLog?: boolean;
  /** Records that stand behind the points, to say when they were thinned. */
  records?: number;
  /** What the x axis shows, if not steps. */
  axis?: OtherAxis | undefined;
  /** How it is drawn of another run: a chart that has one can be pinned. */
  pin?: Pin;
}

const NONE: never[] = [];
const NOTHING: ReadonlySet<string> = new Set();

/** Steps by their number, or called by their time; they stay where they are either way. */
function stepAxis(
  t: T,
  lang: string,
  clock: RunClock | null,
  places: Places,
): OtherAxis & Pick<Format, "tip"> {
  const number = (value: number) => formatInteger(Math.round(value), lang);
  const place = (value: number) => t("chart.atStep", { step: number(value) });
  if (!clock) return { name: t("chart.steps"), step: number, place };
  const tip = (value: number) => `${place(value)} · ${timeOfDay(clock.at(value), lang)}`;
  if (places === "step") return { name: t("chart.steps"), step: number, place, tip };
  const step =
    places === "since"
      ? (value: number) => formatDuration(clock.since(value))
      : (value: number) => new Date(clock.at(value)).toLocaleTimeString(lang);
  return { name: t(`chart.axis.${places}`), step, place, tip };
}

function tipOf(axis: OtherAxis & Partial<Pick<Format, "tip">>): (value: number) => string {
  return axis.tip ?? axis.place;
}

function useSpec(props: PlotProps, log: boolean): LineSpec {
  const { t, lang } = useText();
  const { lines, theme, marks = NONE, thresholds = NONE, bounds, stacked = false, percent = false } = props;
  const deciding = props.deciding ?? NONE;
  const clock = useContext(ClockContext);
  const [places] = usePlaces();
  const axis = props.axis ?? stepAxis(t, lang, clock, places);
  const [first, last] = props.extent;
  return useMemo(
    () => ({
      lines,
      title: props.title ?? props.label,
      marks,
      thresholds,
      deciding,
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
        tip: tipOf(axis),
      },
    }),
    [
      ...[lines, marks, thresholds, log, stacked, percent, first, last, bounds, theme, lang, props.axis],
      ...[props.title, props.label, deciding, clock, places],
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

/** What is drawn, with names as they are written: short, and different from each other. */
function namesOf(spec: LineSpec): { name: string; colour: string }[] {
  const names = shortNames(spec.lines.map(({ name }) => name));
  return names.length > 1 ? names.map((name, at) => ({ name, colour: colourOf(spec, at) })) : [];
}

function SavePlot(props: PlotProps & { option: Option; spec: LineSpec; height: number }) {
  const { about, label, lines, option, spec, height } = props;
  const [from, to] = currentZoom() ?? spec.extent;
  const steps = `${spec.format.step(Math.ceil(from))} – ${spec.format.step(Math.floor(to))}`;
  const sheet = () => ({
    ...{ option, height, palette: spec.palette, extent: spec.extent, zoom: currentZoom() },
    names: namesOf(spec),
    title: `${label} · ${about} · ${steps}`,
  });
  const rows = () => rowsOfLines(about, lines, props.axis?.name);
  return <Export name={[about, label]} sheet={sheet} rows={rows} />;
}

/** Each line in its colour, whatever else is drawn; smoothed if somebody chose so, and where that makes sense. */
function useLines({ lines, stacked }: PlotProps): { lines: Line[]; weight: number } {
  const [chosen] = useSmoothing();
  const weight = stacked ? 0 : chosen;
  const drawn = useMemo(
    () => lines.map((line, at) => smoothed({ colour: at, ...line }, weight)),
    [lines, weight],
  );
  return { lines: drawn, weight };
}

/** Which lines somebody left out, by their written names, and the lines that stay. */
function useChosen(lines: Line[]) {
  const [hidden, hide] = useState<ReadonlySet<string>>(NOTHING);
  const names = useMemo(() => shortNames(lines.map(({ name }) => name)), [lines]);
  const shown = useMemo(() => lines.filter((_, at) => !hidden.has(names[at] ?? "")), [lines, names, hidden]);
  return { hidden, hide, names, shown };
}

const USUAL = 220;
/** Room for the caption of a chart that fills the page, and for a line of names. */
const [CAPTION, NAMES] = [80, 24];

export function LinePlot(props: PlotProps) {
  const { lines, label, stacked = false, startLog = false } = props;
  const { t, lang } = useText();
  const [choice, setChoice] = useState<boolean | null>(null);
  const [tabled, setTabled] = useState(false);
  const [wide, setWide] = useState(false);
  useEscape(wide, () => setWide(false));
  const named = lines.length > 1 && props.legend !== false;
  const kind = props.pin?.quantities.join() ?? label;
  const [chosenHeight, chooseHeight] = useHeight(kind, props.height ?? USUAL);
  const height = (wide ? window.innerHeight - CAPTION : chosenHeight) - (named ? NAMES : 0);
  const chart = useRef<ECharts | null>(null);
  const negative = useMemo(
    () => lines.some((line) => line.points.some(([, y]) => y !== null && y < 0)),
    [lines],
  );
  const possible = !stacked && !props.bounds && !negative;
  const log = possible && (choice ?? (startLog || wantsLog(lines)));
  const drawn = useLines(props);
  const chosen = useChosen(drawn.lines);
  const spec = useSpec({ ...props, lines: chosen.shown }, log);
  const option = useMemo(() => lineOption(spec), [spec]);
  const board = useMemo(() => boardOf(lines, spec.extent), [lines, spec.extent]);
  const summary = useMemo(() => describeLines(lines, spec.format, t, lang), [lines, spec]);
  const clock = useContext(ClockContext);
  const extent = useRef(spec.extent);
  extent.current = spec.extent;
  const point = ({ at }: Cursor) => {
    const x = chart.current?.convertToPixel({ xAxisIndex: 0 }, board.steps[at] ?? 0);
    chart.current?.dispatchAction({ type: "showTip", x, y: height / 2 });
  };
  return (
    <figure class={wide ? "plot wide" : "plot"}>
      {named ? <LineNames spec={{ ...spec, lines: drawn.lines }} {...chosen} /> : null}
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
            followDrag(instance, () => extent.current);
          }}
        />
      </Keyboard>
      {wide ? null : <Edge height={chosenHeight} choose={chooseHeight} />}
      <figcaption>
        <PlotMenu
          {...{ tabled, setTabled, wide, setWide }}
          log={possible ? log : null}
          setLog={setChoice}
          smooth={!stacked}
          times={clock !== null && !props.axis}
          pin={props.pin}
        >
          {wide ? null : <HeightField height={chosenHeight} choose={chooseHeight} />}
          <SavePlot {...props} option={option} spec={spec} height={height} />
        </PlotMenu>
        {drawn.weight > 0 ? <span>{t("chart.smoothed", { weight: drawn.weight })}</span> : null}
        <Notes props={props} drawn={Math.max(0, ...lines.map((line) => line.points.length))} />
        {tabled ? <NumberTable lines={lines} spec={spec} /> : null}
      </figcaption>
    </figure>
  );
}
