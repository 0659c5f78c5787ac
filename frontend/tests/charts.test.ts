import { expect, test } from "vitest";
import { rangeOf } from "../src/charts/Chart";
import { digitsOf, lineOption, shortNames } from "../src/charts/lineOption";
import { holesOf, stretchesOf } from "../src/charts/lineSeries";
import { paletteOf } from "../src/charts/palette";
import { type Line, lineOf, lineThrough, nonFiniteRanges, wantsLog } from "../src/charts/series";
import { smoothed } from "../src/charts/smooth";
import type { LineSpec } from "../src/charts/spec";
import { withZoom } from "../src/charts/withZoom";
import { columnAt, Flag } from "../src/data/table";
import { RAIL } from "../src/heat/events";
import { heatOption, layoutOf, shortName } from "../src/heat/heatOption";
import { init } from "../src/vendor";
import { decidingPoints, isDerived, thresholdLines } from "../src/views/findings/evidenceLines";
import { makeTable } from "./make";

function spec(change: Partial<LineSpec> = {}): LineSpec {
  return {
    lines: [lineThrough("a", [0, 10], [1, 2])],
    title: "loss",
    marks: [],
    thresholds: [],
    deciding: [],
    log: false,
    stacked: false,
    bounds: undefined,
    extent: [0, 10],
    palette: paletteOf("light"),
    words: { step: "step", zero: "zero", nonFinite: "NaN/Inf" },
    format: { value: String, step: String, place: String },
    ...change,
  };
}

// biome-ignore lint/suspicious/noExplicitAny: options are open-ended plain objects
const series = (option: Record<string, unknown>) => option.series as any[];

test("gaps stay gaps, absent points are left out", () => {
  const table = makeTable([[1, NaN, 3]]);
  table.flags[2] = Flag.nan;
  table.last[2] = NaN;
  expect(lineOf("a", columnAt(table, 0)).points).toEqual([
    [0, 1],
    [20, null],
  ]);
});

test("neighbouring NaN points join into one range", () => {
  const table = makeTable([[1, 1, 1, 1]]);
  table.flags.set([0, Flag.nan, Flag.plusInf, 0]);
  expect(nonFiniteRanges(columnAt(table, 0))).toEqual([[10, 20]]);
});

test("a log axis is chosen for positive values over more than two decades", () => {
  expect(wantsLog([lineThrough("a", [0, 1], [1, 1000])])).toBe(true);
  expect(wantsLog([lineThrough("a", [0, 1], [1, 50])])).toBe(false);
  expect(wantsLog([lineThrough("a", [0, 1, 2], [-1, 1, 1000])])).toBe(false);
});

test("findings, non-finite ranges and thresholds are painted", () => {
  const line = { ...lineThrough("a", [0, 10], [1, 2]), nonFinite: [[5, 6]] as [number, number][] };
  const marks = [{ first: 2, last: 4, severity: "warning" as const, label: "LD301" }];
  const thresholds = [{ value: 1.5, label: "limit" }];
  const option = lineOption(spec({ lines: [line], marks, thresholds }));
  const [drawn] = series(option);
  expect(
    drawn.markArea.data.map(([from, to]: [{ name: string; xAxis: number }, { xAxis: number }]) => [
      from.name,
      from.xAxis,
      to.xAxis,
    ]),
  ).toEqual([["NaN/Inf", 5, 6]]);
  expect(drawn.markLine.data[0]).toMatchObject({ yAxis: 1.5, label: { formatter: "limit" } });
  const lanes = series(option).at(-1);
  const params = { coordSys: { x: 0, y: 40, width: 100 } };
  const { children } = lanes.renderItem(params, { coord: ([step]: [number, number]) => [step * 10, 0] });
  expect(children[0]).toMatchObject({ type: "rect", shape: { x: 20, width: 20 } });
  expect(children[1].style.text).toBe("LD301");
});

test("zeros on a log axis become marks on its floor", () => {
  const table = makeTable([[1e-4, 0, 10]]);
  const all = series(lineOption(spec({ lines: [lineOf("a", columnAt(table, 0))], log: true })));
  expect(all[0].data[1]).toEqual([10, null]);
  expect(all[1].data[0][0]).toBe(10);
  expect(all[1].data[0][1]).toBeCloseTo(1e-4);
});

test("points that stand for several values show their band", () => {
  const table = makeTable([[2, 2]]);
  table.min[1] = 1;
  table.max[1] = 50;
  const all = series(lineOption(spec({ lines: [lineOf("a", columnAt(table, 0))] })));
  expect(all.map(({ type }) => type)).toEqual(["custom", "line"]);
  expect(all[0].data).toEqual([[10, 1, 50]]);
});

test("the band is one shape from the smallest to the largest values, on a log axis too", () => {
  const table = makeTable([[1, 10, 1]]);
  table.max[1] = 100;
  const lines = [lineOf("a", columnAt(table, 0))];
  const [band] = series(lineOption(spec({ lines, log: true, extent: [0, 20] })));
  const api = { coord: ([x, y]: [number, number]) => [x, 100 - Math.log10(y) * 50] };
  const [polygon] = band.renderItem({}, api).children;
  const points = polygon.shape.points.map((point: number[]) => point.map((value) => Math.round(value) || 0));
  expect(points).toEqual([
    [0, 100],
    [10, 0],
    [20, 100],
    [20, 100],
    [10, 50],
    [0, 100],
  ]);
});

test("a gap splits the band", () => {
  const table = makeTable([[1, 1, 1]]);
  table.max.fill(2);
  table.flags[1] = Flag.nan;
  table.last[1] = NaN;
  table.max[1] = NaN;
  const line = lineOf("a", columnAt(table, 0));
  expect(stretchesOf(line).map((stretch) => stretch.map(([step]) => step))).toEqual([[0], [20]]);
});

test("the peak is told with its own step", () => {
  const table = makeTable([[1, 5, 2]]);
  table.peakStep[1] = 17;
  expect(lineOf("a", columnAt(table, 0)).peak).toEqual([17, 5]);
});

test("names go to the canvas, never into HTML", () => {
  expect(lineOption(spec())).toMatchObject({ tooltip: { renderMode: "richText" }, animation: false });
});

test("new data keep the zoom that was chosen", () => {
  const option = { dataZoom: [{ type: "inside" }] };
  const zoomed = { dataZoom: [{ type: "inside", startValue: 10, endValue: 20 }] };
  expect(withZoom(option, [10, 20], [0, 100])).toEqual(zoomed);
  expect(withZoom(option, [10, 20], [0, 5000])).toEqual(zoomed);
  expect(withZoom(option, null, [0, 5000]).dataZoom).toEqual([
    { type: "inside", startValue: 0, endValue: 5000 },
  ]);
});

test("a zoom event is told in steps, and all of it is no zoom", () => {
  expect(rangeOf({ start: 25, end: 50 }, [0, 200])).toEqual([50, 100]);
  expect(rangeOf({ batch: [{ start: 0, end: 50 }] }, [100, 200])).toEqual([100, 150]);
  expect(rangeOf({ start: 0, end: 100 }, [0, 200])).toBeNull();
});

test("the heat map names its rows and outlines the chosen one", () => {
  const option = heatOption({
    rows: ["a", "b"],
    badges: [undefined, "error"],
    widest: 1,
    extent: [0, 100],
    tail: 1,
    layout: layoutOf(2, [0, 0]),
    marks: [
      { first: 10, last: 20, severity: "error", label: "LD101" },
      { first: 10, last: 60, severity: "warning", label: "LD804", ongoing: true },
    ],
    rail: Uint8Array.from([0, RAIL.broken]),
    railSteps: Float64Array.from([0, 50]),
    palette: paletteOf("dark"),
    formatStep: String,
    selected: 1,
    draw: () => document.createElement("canvas"),
  });
  const api = { coord: ([step]: [number, number]) => [step * 2 + 10, 0] };
  const drawn = series(option)[0].renderItem({ coordSys: { x: 10, y: 5, width: 200, height: 40 } }, api);
  expect(drawn.children.map(({ type }: { type: string }) => type)).toEqual([
    ...["image", "rect"],
    ...["text", "rect", "rect"],
    ...["text", "rect"],
    "polygon",
  ]);
  // Each finding has a lane of its own; where nobody looked any more, it goes on as a pale line to the end.
  const [, , , rest, warning, , error] = drawn.children;
  expect(error.shape).toMatchObject({ x: 30, width: 22 });
  expect(warning.shape).toMatchObject({ x: 30, width: 102 });
  expect(warning.shape.y - error.shape.y).toBe(12);
  expect(rest.shape).toMatchObject({ x: 132, width: 78, height: 2 });
  expect(drawn.children[7].shape.points[0][0]).toBe(110);
  expect(drawn.children[1].shape).toEqual({ x: 10, y: 25, width: 200, height: 20 });
  expect(shortName("a".repeat(40))).toHaveLength(30);
});

test("long names are cut above a chart, and stay different", () => {
  const [a = "", b = ""] = shortNames(["x".repeat(10_000), `y${"x".repeat(10_000)}`]);
  expect(a.length).toBeLessThan(60);
  expect(b).not.toBe(a);
  expect(shortNames(["loss"])).toEqual(["loss"]);
});

test("values that are nearly the same get the digits that tell them apart", () => {
  expect(digitsOf([lineThrough("a", [0, 1], [0, 5])])).toBe(3);
  expect(digitsOf([lineThrough("a", [0, 1], [0.54901, 0.54907])])).toBe(7);
  expect(digitsOf([lineThrough("a", [0, 1], [2, 2])])).toBe(3);
  expect(digitsOf([{ ...lineThrough("a", [0], [1]), band: [[0, 0.999, 1.001]] }])).toBe(6);
  expect(digitsOf([lineThrough("a", [0, 1], [1, Number.NaN])])).toBe(3);
});

test("holes of several lines that meet are one, with the names of all", () => {
  const a = { ...lineThrough("a", [0], [1]), nonFinite: [[5, 9]] as [number, number][] };
  const b = {
    ...lineThrough("b", [0], [1]),
    nonFinite: [
      [8, 12],
      [20, 21],
    ] as [number, number][],
  };
  expect(holesOf([a, b])).toEqual([
    { first: 5, last: 12, names: ["a", "b"] },
    { first: 20, last: 21, names: ["b"] },
  ]);
});

test("a line keeps its colour whatever its place in the chart", () => {
  const option = lineOption(spec({ lines: [{ ...lineThrough("B", [0, 10], [1, 2]), colour: 1 }] }));
  expect(series(option)[0].color).toBe(paletteOf("light").series[1]);
});

test("a smoothed line keeps every extreme in its band, and begins anew after a gap", () => {
  const line = {
    ...lineThrough("a", [0, 1, 2, 3, 4], [1, 1, 100, Number.NaN, 7]),
    band: [[1, 0, 9]] as [number, number, number][],
  };
  const { points, band } = smoothed(line, 0.9);
  expect(points[0]?.[1]).toBeCloseTo(1);
  expect(points[2]?.[1]).toBeLessThan(50);
  expect(points[3]?.[1]).toBeNull();
  expect(points[4]?.[1]).toBeCloseTo(7);
  expect(band).toEqual([
    [0, 1, 1],
    [1, 0, 9],
    [2, 100, 100],
    [4, 7, 7],
  ]);
  expect(smoothed(line, 0)).toBe(line);
});

test("the point that was decided on is marked where it is on the curve", () => {
  const lines = [lineThrough("w", [0, 10, 20], [1, 5, 2])];
  const entry = {
    quantity: "q",
    column: "w",
    first_step: 5,
    last_step: 20,
    observed: 5,
    threshold: 4,
    judged: null,
  };
  expect(decidingPoints([entry], lines, "en")).toEqual([{ step: 10, value: 5, label: "5" }]);
  expect(isDerived(entry, lines)).toBe(false);
  expect(decidingPoints([{ ...entry, observed: 0.01 }], lines, "en")).toEqual([]);
  expect(isDerived({ ...entry, observed: 0.01 }, lines)).toBe(true);
  // A ratio may lie among the values by chance; its threshold is then of another kind.
  expect(isDerived({ ...entry, threshold: 50_000 }, lines)).toBe(true);
  expect(thresholdLines([{ ...entry, threshold: 50_000 }], lines, (key) => key, "en")).toEqual([]);
  const deciding = [{ step: 10, value: 5, label: "5" }];
  const drawn = series(lineOption(spec({ lines, deciding }))).at(-1);
  expect(drawn.data[0]).toMatchObject({ value: [10, 5], label: { formatter: "5" } });
});

test("an axis reaches as far as the threshold that was held against the curve", () => {
  const thresholds = [{ value: 0.95, label: "threshold" }];
  const drawn = series(lineOption(spec({ lines: [lineThrough("a", [0, 10], [0.98, 0.99])], thresholds })));
  expect(
    drawn.some(({ data }) => data?.some((point: unknown) => Array.isArray(point) && point[1] === 0.95)),
  ).toBe(true);
});

test("the number of a point at the chart's edge stands beside it", () => {
  const deciding = [0, 10, 20].map((step) => ({ step, value: 1, label: "1" }));
  const sides = (highest: number) => {
    const lines = [lineThrough("a", [0, 10, 20], [1, 1, highest])];
    const drawn = series(lineOption(spec({ lines, deciding, extent: [0, 20] }))).at(-1);
    return drawn.data.map(({ label }: { label: { position: string } }) => label.position);
  };
  expect(sides(2)).toEqual(["right", "top", "left"]);
  expect(sides(1)).toEqual(["right", "bottom", "left"]); // above it are the lanes of findings
});

test("the name of a hole stands above the curves, which leave it a line", () => {
  const whole = lineThrough("a", [0, 10], [1, 2]);
  const holed = { ...whole, nonFinite: [[8, 10]] as [number, number][] };
  const top = (line: Line) => (lineOption(spec({ lines: [line] })).grid as { top: number }).top;
  expect(top(holed)).toBe(top(whole) + 14);
  const [[area]] = series(lineOption(spec({ lines: [holed] })))[0].markArea.data;
  expect(area.label).toMatchObject({ position: ["100%", -14], align: "right" });
});

test("a run's own colour is its line's", () => {
  const lines = [lineThrough("a", [0, 1], [1, 2]), lineThrough("b", [0, 1], [2, 3])];
  const own = lines.map((line, at) => ({ ...line, ink: at ? "#12b5cb" : "#425066" }));
  const option = lineOption(spec({ lines: own }));
  expect(series(option).map(({ color }) => color)).toEqual(["#425066", "#12b5cb"]);
});

test("names stand above the rows of a small map, as long as these are not too many", () => {
  expect(layoutOf(20, []).above).toBe(false);
  expect(layoutOf(61, [], true).above).toBe(false);
  const layout = layoutOf(20, [], true);
  expect(layout).toMatchObject({ above: true, height: 20 * 29 });
});

test("a threshold is drawn on a logarithmic axis, too", () => {
  const thresholds = [{ value: 0.0025, label: "threshold" }];
  const lines = [lineThrough("a", [0, 10], [1e-5, 1e-5])];
  const option = lineOption(spec({ lines, thresholds, log: true, extent: [0, 10] }));
  const chart = init(null, null, { renderer: "svg", ssr: true, width: 400, height: 200 });
  chart.setOption({ animation: false, ...option });
  expect(chart.renderToSVGString()).toContain("threshold");
  chart.dispose();
});

test.each([2e-9, 400])("values around %s have the axis to themselves under a finding's lane", (size) => {
  const lines = [lineThrough("a", [0, 10, 20], [size, 3 * size, 2 * size])];
  const marks = [{ first: 0, last: 20, severity: "error" as const, label: "LD201" }];
  const option = lineOption(spec({ lines, marks, extent: [0, 20] }));
  const chart = init(null, null, { renderer: "svg", ssr: true, width: 400, height: 200 });
  chart.setOption({ animation: false, ...option });
  const [, top = 0] = chart.convertFromPixel({ gridIndex: 0 }, [100, 41]) as number[];
  expect(top).toBeGreaterThan(2 * size);
  expect(top).toBeLessThan(5 * size);
  chart.dispose();
});
