import { expect, test } from "vitest";
import { lineOption } from "../src/charts/lineOption";
import { paletteOf } from "../src/charts/palette";
import { lineThrough } from "../src/charts/series";
import type { LineSpec } from "../src/charts/spec";
import { filtered } from "../src/data/findings";
import { Flag } from "../src/data/table";
import { layoutOf } from "../src/heat/heatOption";
import { seenIn } from "../src/heat/seen";
import { makeFinding, makeMatrix } from "./make";

function spec(change: Partial<LineSpec> = {}): LineSpec {
  return {
    lines: [lineThrough("a", [0, 10], [1, 2]), lineThrough("b", [0, 10], [2, 3])],
    title: "Ratio of gradient norms",
    ...{ marks: [], thresholds: [], deciding: [], log: false, stacked: false },
    ...{ bounds: undefined, extent: [0, 10], palette: paletteOf("light") },
    words: { step: "step", zero: "zero", nonFinite: "NaN/Inf" },
    format: { value: String, step: String, place: (step) => `step ${step}` },
    ...change,
  };
}

// biome-ignore lint/suspicious/noExplicitAny: options are open-ended plain objects
const optionOf = (change: Partial<LineSpec>) => lineOption(spec(change)) as any;

test("a chart says what its y axis shows", () => {
  expect(optionOf({}).yAxis.name).toBe("Ratio of gradient norms");
});

test("one decade of a logarithmic axis has ticks within and ends that are whole decades", () => {
  const { yAxis } = optionOf({ log: true, lines: [lineThrough("a", [0, 10], [0.2, 0.8])] });
  expect(yAxis).toMatchObject({ type: "log", min: 0.1, max: 1, minorTick: { show: true, splitNumber: 9 } });
});

test("what is pointed at is told with its step and its time", () => {
  const at = { value: 299 };
  const format = { value: String, step: String, place: (step: number) => `step ${step}` };
  const timed = { ...format, tip: (step: number) => `step ${step} · 21:39:02` };
  const told = (chosen: LineSpec["format"]) =>
    optionOf({ format: chosen }).tooltip.axisPointer.label.formatter(at);
  expect(told(format)).toBe("step 299");
  expect(told(timed)).toBe("step 299 · 21:39:02");
});

test("a map's legend explains the looks that occur in it and no others", () => {
  expect([...seenIn(makeMatrix([[1, 2, 3]]), [0.1, 10], undefined)]).toEqual([]);
  const matrix = makeMatrix([[1, 1, 1, 0, NaN, NaN]]);
  matrix.flags[4] = Flag.nan;
  expect([...seenIn(matrix, [0.1, 10], undefined)].sort()).toEqual(["absent", "broken", "nan", "zero"]);
});

test("few rows of a map grow, many share the tallest one", () => {
  const height = (rows: number) => layoutOf(rows, []).height;
  expect(height(4)).toBeGreaterThanOrEqual(4 * 30);
  expect(height(1)).toBeGreaterThanOrEqual(72);
  expect(height(149)).toBe(height(1000));
  for (let rows = 1; rows < 200; rows++) expect(height(rows + 1)).toBeGreaterThanOrEqual(height(rows));
});

test("a search and a severity reach into what a finding explains", () => {
  const symptom = makeFinding({ code: "LD602", title: "The updates are too small", severity: "error" });
  const cause = makeFinding({
    code: "LD201",
    title: "Gradients vanish",
    severity: "warning",
    explains: [symptom],
  });
  const all = { severity: "all", words: "", muted: new Set<string>(), showMuted: false } as const;
  const count = (change: object) => filtered([cause], { ...all, ...change }).length;
  expect(count({ words: "updates small" })).toBe(1);
  expect(count({ severity: "error" })).toBe(1);
  expect(count({ severity: "warning" })).toBe(0);
  expect(count({ words: "overfits" })).toBe(0);
});
