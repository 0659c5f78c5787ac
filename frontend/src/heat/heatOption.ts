/** ECharts option of the heat map: the library's axes and zoom around one painted picture. */
import type { Option } from "../charts/lineOption";
import type { Palette } from "../charts/palette";

/** Where the picture goes (CSS pixels) and which steps it shows. */
export interface Frame {
  x: number;
  y: number;
  width: number;
  height: number;
  from: number;
  to: number;
}

export interface HeatSpec {
  rows: string[];
  steps: [number, number];
  palette: Palette;
  formatStep: (value: number) => string;
  /** Row under the cursor or selected, to be outlined. */
  selected: number;
  draw: (frame: Frame) => HTMLCanvasElement | null;
}

interface RenderParams {
  coordSys: { x: number; y: number; width: number; height: number };
}
interface RenderApi {
  coord: (point: [number, number]) => [number, number];
}

/** The frame in force: the steps at the left and right edge follow from where the full range lies. */
export function frameOf(params: RenderParams, api: RenderApi, [first, last]: [number, number]): Frame {
  const { x, y, width, height } = params.coordSys;
  const [left] = api.coord([first, 0]);
  const [right] = api.coord([last, 0]);
  const perPixel = (last - first) / (right - left);
  return {
    x,
    y,
    width,
    height,
    from: first + (x - left) * perPixel,
    to: first + (x + width - left) * perPixel,
  };
}

function picture(spec: HeatSpec): Option {
  return {
    type: "custom",
    silent: true,
    clip: true,
    data: [[spec.steps[0], 0]],
    renderItem: (params: RenderParams, api: RenderApi) => {
      const frame = frameOf(params, api, spec.steps);
      const image = spec.draw(frame);
      if (!image) return null;
      const { x, y, width, height } = frame;
      const rowHeight = height / spec.rows.length;
      const outline = { x, y: y + spec.selected * rowHeight, width, height: rowHeight };
      const stroke = { fill: "none", stroke: spec.palette.text, lineWidth: 1.5 };
      const children: Option[] = [{ type: "image", style: { image, x, y, width, height } }];
      if (spec.selected >= 0) children.push({ type: "rect", shape: outline, style: stroke });
      return { type: "group", children };
    },
  };
}

/** Long names keep their end: that is where layers differ. */
export function shortName(name: string): string {
  return name.length > 30 ? `…${name.slice(-29)}` : name;
}

export function heatOption(spec: HeatSpec): Option {
  const label = { color: spec.palette.text, hideOverlap: true };
  const zoom = { xAxisIndex: 0, filterMode: "none" };
  return {
    animation: false,
    backgroundColor: "transparent",
    grid: { left: 8, right: 16, top: 6, bottom: 44, containLabel: true },
    xAxis: {
      type: "value",
      min: spec.steps[0],
      max: spec.steps[1],
      minInterval: 1,
      splitLine: { show: false },
      axisLine: { lineStyle: { color: spec.palette.muted } },
      axisLabel: { ...label, formatter: spec.formatStep },
    },
    yAxis: {
      type: "category",
      inverse: true,
      data: spec.rows,
      axisTick: { show: false },
      axisLine: { lineStyle: { color: spec.palette.muted } },
      axisLabel: { ...label, formatter: shortName, fontSize: 11, interval: labelInterval(spec.rows.length) },
    },
    dataZoom: [
      { ...zoom, type: "inside" },
      {
        ...zoom,
        type: "slider",
        height: 18,
        bottom: 4,
        brushSelect: false,
        textStyle: { color: spec.palette.text },
      },
    ],
    series: [picture(spec)],
  };
}

/** Every row has a name up to forty rows; more rows name every n-th. */
function labelInterval(rows: number): number {
  return rows <= 40 ? 0 : Math.ceil(rows / 40) - 1;
}

/** Height that gives each row room to be pointed at, within what a screen holds. */
export function heatHeight(rows: number): number {
  return Math.min(560, Math.max(160, rows * 16 + 60));
}
