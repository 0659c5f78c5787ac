/** The heat maps of several runs on the same steps and the same colours, or the ratio of two of them. */
import { useMemo, useState } from "preact/hooks";
import type { Range } from "../charts/zoom";
import { extentOf } from "../data/extent";
import type { Matrix } from "../data/table";
import { useMatrices } from "../data/tables";
import type { RunSummary } from "../data/types";
import { bucketAt, domainOf, ratioDomain } from "../heat/grid";
import { type Cell, HeatMap } from "../heat/HeatMap";
import { Legend } from "../heat/Legend";
import type { Colours } from "../heat/lut";
import { rowsOf } from "../heat/rows";
import { over } from "../heat/scale";
import { type ColourRange, useColourRange } from "../heat/useColourRange";
import { useSpan } from "../heat/useSpan";
import { type Key, useText } from "../i18n";
import { Pick } from "../parts/Pick";
import { Loaded, Missing, Note } from "../parts/States";
import { capital } from "../text/describe";
import { LETTERS } from "./Compare";
import { readCell } from "./cells";
import type { ViewProps } from "./context";
import { STATS } from "./Gradients";
import { RowRange } from "./RowRange";

type Props = ViewProps & { chosen: RunSummary[] };

const NO_MARKS: never[] = [];
const PLAIN = { filter: "", order: "model", depth: 0, unfolded: new Set<string>() } as const;

interface OneProps extends ViewProps {
  matrix: Matrix;
  title: string;
  range: ColourRange;
  colours: Colours;
  extent: Range;
}

function One({ matrix, title, range, colours, extent, theme, go }: OneProps) {
  const { t, lang } = useText();
  const rows = useMemo(() => rowsOf(matrix, PLAIN), [matrix]);
  const [span, setSpan] = useSpan(rows);
  const [cell, setCell] = useState<Cell | null>(null);
  const say = (at: Cell) => readCell(matrix, matrix, rows[at.row], at.step, t, lang);
  if (rows.length === 0) return <Note>{t("compare.noShared")}</Note>;
  return (
    <section>
      <h3>{title}</h3>
      <HeatMap
        {...{ rows, range, colours, extent, theme, say, span, setSpan }}
        whole={matrix}
        marks={NO_MARKS}
        selected={-1}
        label={title}
        summary={title}
        point={setCell}
        open={({ row }) => go({ layer: rows[row]?.name ?? "" })}
      />
      <RowRange rows={rows.length} span={span} reset={() => setSpan(null)} />
      <p class={cell ? "readout" : "readout muted"}>{cell ? say(cell) : t("gradients.hint")}</p>
    </section>
  );
}

/** One colour range for all: the lowest low and the highest high. */
export function commonDomain(matrices: Matrix[]): [number, number] {
  const domains = matrices.map(({ max }) => domainOf(max));
  return [Math.min(...domains.map(([low]) => low)), Math.max(...domains.map(([, high]) => high))];
}

function Side(props: Props & { matrices: (Matrix | null)[]; extent: Range }) {
  const { chosen, matrices, extent } = props;
  const { t } = useText();
  const present = matrices.filter((matrix) => matrix !== null);
  const domain = useMemo(() => commonDomain(present), [matrices]);
  const range = useColourRange(
    present[0]?.quantity ?? "",
    domain,
    present.map(({ max }) => max),
  );
  return (
    <>
      <Legend range={range} unit={present[0]?.unit ?? ""} colours="viridis" />
      <div class="panels">
        {matrices.map((matrix, at) => {
          const title = `${LETTERS[at]} ${chosen[at]?.run ?? ""}`;
          if (!matrix) return <Note key={title}>{`${title}: ${t("heat.absent")}`}</Note>;
          return <One key={title} {...props} {...{ matrix, title, range, extent }} colours="viridis" />;
        })}
      </div>
    </>
  );
}

function Difference(props: Props & { matrices: (Matrix | null)[]; extent: Range }) {
  const { matrices, extent, chosen } = props;
  const { t } = useText();
  const [a, b] = matrices;
  const ratio = useMemo(() => (a && b ? over(a, b, (step) => bucketAt(b.firstStep, step)) : null), [a, b]);
  const domain = useMemo(() => (ratio ? ratioDomain(ratio.max) : ([0.1, 10] as const)), [ratio]);
  const range = useColourRange(`${ratio?.quantity} ratio`, domain, ratio ? [ratio.max] : []);
  if (!ratio) return null;
  const title = t("compare.ratio", { a: chosen[0]?.run ?? "", b: chosen[1]?.run ?? "" });
  return (
    <>
      <Legend range={range} unit="A / B" colours="diverging" />
      <One {...props} {...{ matrix: ratio, title, range, extent }} colours="diverging" />
    </>
  );
}

const MODES = ["side", "ratio"] as const;

export function CompareHeat(props: Props) {
  const { chosen, place, go } = props;
  const { t } = useText();
  const [mode, setMode] = useState<(typeof MODES)[number]>("side");
  const stats = STATS.filter((stat) => chosen.some(({ quantities }) => quantities.includes(stat)));
  const stat = stats.find((candidate) => candidate === place.stat) ?? stats[0];
  const matrices = useMatrices(stat ? chosen : [], stat ?? "");
  const [first, last] = extentOf(...chosen);
  const extent = useMemo<Range>(() => [first, last], [first, last]);
  if (!stat) return <Missing quantity="gradient_norm" />;
  const name = t(`stat.${stat}` as Key);
  return (
    <section>
      <h2>{capital(t("gradients.heading", { stat: name }))}</h2>
      <div class="controls">
        <Pick
          label={t("gradients.stat")}
          value={stat}
          options={stats}
          name={(option) => t(`stat.${option}`)}
          choose={(option) => go({ stat: option })}
        />
        <Pick
          label={t("compare.mode")}
          value={mode}
          options={MODES}
          name={(option) => t(`compare.mode.${option}`)}
          choose={setMode}
        />
      </div>
      <Loaded resource={matrices} what={name}>
        {(value) =>
          mode === "side" ? (
            <Side {...props} matrices={value} extent={extent} />
          ) : (
            <Difference {...props} matrices={value} extent={extent} />
          )
        }
      </Loaded>
    </section>
  );
}
