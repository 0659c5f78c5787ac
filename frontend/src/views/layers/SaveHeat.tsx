/** Saving a heat map: its picture as it is in view, and all numbers behind it. */
import { paletteOf } from "../../charts/palette";
import type { Option } from "../../charts/spec";
import type { Matrix } from "../../data/table";
import { currentZoom } from "../../data/zoom";
import { tailOf } from "../../heat/canvas";
import { type HeatProps, useHeatOption } from "../../heat/HeatMap";
import { layoutOf } from "../../heat/heatOption";
import { anchorsOf } from "../../heat/lut";
import type { Row } from "../../heat/rows";
import { useText } from "../../i18n";
import { Export } from "../../parts/Export";
import { formatSteps, formatValue } from "../../text/numbers";

interface Props {
  heat: HeatProps;
  run: string;
  heading: string;
  domain: readonly [number, number];
  unit: string;
}

/** A picture has no slider, which nobody can move. */
function still(option: Option): Option {
  const zooms = [option.dataZoom].flat() as Option[];
  return { ...option, dataZoom: zooms.filter(({ type }) => type !== "slider") };
}

export function SaveHeat({ heat, run, heading, domain, unit }: Props) {
  const { lang } = useText();
  const option = useHeatOption(heat);
  const [low, high] = domain.map((value) => formatValue(Number(value.toPrecision(3)), lang));
  const [from, to] = currentZoom() ?? heat.extent;
  const sheet = () => ({
    ...{
      option: still(option),
      palette: paletteOf(heat.theme),
      height: layoutOf(heat.rows.length, heat.marks).total,
    },
    ...{ extent: heat.extent, zoom: currentZoom(), tail: tailOf(heat.whole) },
    scale: { low: low ?? "", high: `${high} ${unit}`, colours: anchorsOf(heat.colours) },
    title: `${heading} · ${run} · ${formatSteps(Math.ceil(from), Math.floor(to), lang)}`,
  });
  return <Export name={[run, heading]} sheet={sheet} rows={() => rowsOfMatrix(run, heat.whole, heat.rows)} />;
}

/** One row per cell that holds anything. */
export function rowsOfMatrix(run: string, matrix: Matrix, rows: Row[]): (string | number | null)[][] {
  const head = ["run", "layer", "first_step", "last_step", "max", "flags"];
  const cells = rows.flatMap(({ name, columns }) =>
    columns.flatMap((column) =>
      Array.from({ length: matrix.buckets }, (_, bucket) => {
        const at = column * matrix.buckets + bucket;
        const value = matrix.max[at] ?? NaN;
        const layer = matrix.columns[column] ?? name;
        const steps = [matrix.firstStep[bucket] ?? 0, matrix.lastStep[bucket] ?? 0];
        return [run, layer, ...steps, Number.isFinite(value) ? value : null, matrix.flags[at] ?? 0];
      }),
    ),
  );
  return [head, ...cells];
}
