/** Heat maps beside each other, and the ratio of two: on one axis, in one colour range, with the same layers in view. */
import { useMemo, useState } from "preact/hooks";
import { warped } from "../../data/align";
import type { Matrix } from "../../data/table";
import type { RunSummary } from "../../data/types";
import { reachOf } from "../../heat/canvas";
import { bucketAt, domainOf, ratioDomain } from "../../heat/grid";
import { type Cell, HeatMap } from "../../heat/HeatMap";
import { Legend } from "../../heat/Legend";
import type { Colours } from "../../heat/lut";
import { type Row, rowsOf } from "../../heat/rows";
import { over } from "../../heat/scale";
import { seenIn } from "../../heat/seen";
import type { Span } from "../../heat/span";
import { type ColourRange, useColourRange } from "../../heat/useColourRange";
import { useSpan } from "../../heat/useSpan";
import { useText } from "../../i18n";
import { Note } from "../../parts/States";
import { unitName } from "../../text/units";
import type { ViewProps } from "../context";
import { readCell } from "../layers/cells";
import { RowRange } from "../layers/RowRange";
import { LETTERS } from "./compared";
import type { Aligned } from "./useAligned";

type Props = ViewProps & { chosen: RunSummary[]; aligned: Aligned; matrices: (Matrix | null)[] };

const NO_MARKS: never[] = [];
const NO_ROWS: Row[] = [];
const PLAIN = { filter: "", order: "model", depth: 0, unfolded: new Set<string>() } as const;

interface OneProps extends ViewProps {
  /** With the run's own steps. */
  matrix: Matrix;
  /** On the common axis. */
  placed: Matrix;
  title: string;
  range: ColourRange;
  colours: Colours;
  aligned: Aligned;
  span: Span | null;
  setSpan: (span: Span | null) => void;
}

function One(props: OneProps) {
  const { matrix, placed, title, aligned, go } = props;
  const { t, lang } = useText();
  const rows = useMemo(() => rowsOf(matrix, PLAIN), [matrix]);
  const [cell, setCell] = useState<Cell | null>(null);
  const say = ({ row, step: place }: Cell) => {
    const [first, last] = reachOf(placed);
    if (place < first || place > last) return `${rows[row]?.name ?? ""} · ${t("heat.absent")}`;
    const step = matrix.firstStep[bucketAt(placed.firstStep, place)] ?? 0;
    return readCell(matrix, matrix, rows[row], step, t, lang);
  };
  if (rows.length === 0) return <Note>{t("compare.noShared")}</Note>;
  return (
    <section>
      <h3>{title}</h3>
      <HeatMap
        {...props}
        {...{ rows, say }}
        extent={aligned.extent}
        formatStep={aligned.words?.step}
        whole={placed}
        marks={NO_MARKS}
        selected={-1}
        label={title}
        summary={title}
        point={setCell}
        open={({ row }) => go({ layer: rows[row]?.name ?? "" })}
      />
      <p class={cell ? "readout" : "readout muted"}>{cell ? say(cell) : t("gradients.point")}</p>
    </section>
  );
}

/** One colour range for all: the lowest low and the highest high. */
export function commonDomain(matrices: Matrix[]): [number, number] {
  const domains = matrices.map(({ max }) => domainOf(max));
  return [Math.min(...domains.map(([low]) => low)), Math.max(...domains.map(([, high]) => high))];
}

export function Side(props: Props) {
  const { chosen, matrices, aligned } = props;
  const { t } = useText();
  const { warps } = aligned.alignment;
  const present = useMemo(() => matrices.filter((matrix) => matrix !== null), [matrices]);
  const placed = useMemo(
    () => matrices.map((matrix, at) => (matrix ? warped(matrix, warps?.[at]) : null)),
    [matrices, warps],
  );
  const domain = useMemo(() => commonDomain(present), [present]);
  const { quantity = "", unit = "" } = present[0] ?? {};
  const range = useColourRange(
    quantity,
    domain,
    present.map(({ max }) => max),
  );
  const seen = useMemo(
    () => new Set(present.flatMap((matrix) => [...seenIn(matrix, range.domain, range.far)])),
    [present, range.domain, range.far],
  );
  const rows = useMemo(() => (present[0] ? rowsOf(present[0], PLAIN) : NO_ROWS), [present]);
  const [span, setSpan] = useSpan(rows);
  return (
    <>
      <Legend {...{ range, seen }} unit={unitName(unit, t)} colours="viridis" />
      <RowRange rows={rows.length} span={span} reset={() => setSpan(null)} />
      <div class="panels">
        {matrices.map((matrix, at) => {
          const title = `${LETTERS[at]} ${chosen[at]?.run ?? ""}`;
          const own = placed[at];
          if (!matrix || !own) return <Note key={title}>{`${title}: ${t("heat.absent")}`}</Note>;
          const same = { matrix, placed: own, title, range, span, setSpan };
          return <One key={title} {...props} {...same} colours="viridis" />;
        })}
      </div>
    </>
  );
}

/** A over B on the common axis, and the same with the steps of A. */
function useRatio([a, b]: (Matrix | null)[], warps: Aligned["alignment"]["warps"]) {
  return useMemo(() => {
    if (!a || !b) return null;
    const other = warped(b, warps?.[1]);
    const placed = over(warped(a, warps?.[0]), other, (place) => bucketAt(other.firstStep, place));
    return { placed, matrix: { ...placed, firstStep: a.firstStep, lastStep: a.lastStep } };
  }, [a, b, warps]);
}

export function Difference(props: Props) {
  const { matrices, chosen, aligned } = props;
  const { t } = useText();
  const ratio = useRatio(matrices, aligned.alignment.warps);
  const values = ratio?.placed.max;
  const domain = useMemo(() => (values ? ratioDomain(values) : ([0.1, 10] as const)), [values]);
  const range = useColourRange(`${ratio?.placed.quantity} ratio`, domain, values ? [values] : []);
  const rows = useMemo(() => (ratio ? rowsOf(ratio.placed, PLAIN) : NO_ROWS), [ratio]);
  const [span, setSpan] = useSpan(rows);
  if (!ratio) return null;
  const title = t("compare.ratio", { a: chosen[0]?.run ?? "", b: chosen[1]?.run ?? "" });
  return (
    <>
      <Legend range={range} unit="A / B" colours="diverging" />
      <RowRange rows={rows.length} span={span} reset={() => setSpan(null)} />
      <One {...props} {...ratio} {...{ title, range, span, setSpan }} colours="diverging" />
    </>
  );
}
