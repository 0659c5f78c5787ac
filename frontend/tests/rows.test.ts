import { act, renderHook } from "@testing-library/preact";
import { expect, test } from "vitest";
import { ABOVE, codeRows, columnSpans, mergeColumns } from "../src/heat/grid";
import { labelsOf, prefixOf } from "../src/heat/labels";
import type { Row } from "../src/heat/rows";
import { automaticDepth } from "../src/heat/rows";
import { movedRows, rowsBetween, showing, spanIn, zoomedRows } from "../src/heat/span";
import { useSpan } from "../src/heat/useSpan";
import { makeTable } from "./make";

test("zooming in ends at one row and zooming out at all of them", () => {
  let span = zoomedRows(null, 50, true, 30.5);
  for (let notch = 0; notch < 50; notch++) span = zoomedRows(span, 50, true, 30.5);
  expect(span).toEqual([30, 31]);
  for (let notch = 0; notch < 50; notch++) span = zoomedRows(span, 50, false, 30.5);
  expect(span).toBeNull();
});

test.each([
  [1000, 0.2],
  [1000, 617.9],
  [1000, 999.99],
  [7, 3.01],
])("of %i rows the one at %d stays in view, at its place, at every notch", (count, at) => {
  let span = zoomedRows(null, count, true, at);
  for (let notch = 0; notch < 40 && span; notch++) {
    expect(span[0]).toBeLessThanOrEqual(Math.floor(at));
    expect(span[1]).toBeGreaterThan(Math.floor(at));
    const size = span[1] - span[0];
    expect(Math.abs((at - span[0]) / size - at / count)).toBeLessThan(0.05 + 20 / (size * size));
    span = zoomedRows(span, count, true, at);
  }
});

test("rows move within all rows, and only where there is somewhere to go", () => {
  expect(movedRows([10, 20], 50, -30)).toEqual([0, 10]);
  expect(movedRows([10, 20], 50, 300)).toEqual([40, 50]);
  expect(movedRows(null, 50, 3)).toBeNull();
});

test("the row under the keyboard's cursor is brought into view, and no farther", () => {
  expect(showing([10, 20], 50, 5)).toEqual([5, 15]);
  expect(showing([10, 20], 50, 20)).toEqual([11, 21]);
  expect(showing([10, 20], 50, 15)).toEqual([10, 20]);
  expect(showing(null, 50, 15)).toBeNull();
});

test("a span of rows that are gone shows what is left", () => {
  expect(spanIn([40, 60], 50)).toEqual([30, 50]);
  expect(spanIn([40, 60], 10)).toEqual([0, 10]);
});

const rowsOf = (names: string[]): Row[] => names.map((name, at) => ({ name, columns: [at] }));

test("rows of ten pixels are named, lower ones share the name of their module", () => {
  const names = Array.from({ length: 40 }, (_, at) => `blocks.${Math.floor(at / 10)}.part${at % 10}`);
  expect(labelsOf(rowsOf(names), 10).rows).toEqual(names);
  const labels = labelsOf(rowsOf(names), 3).rows;
  expect(labels.filter((label) => label !== "")).toEqual(["blocks.0", "blocks.1", "blocks.2", "blocks.3"]);
  expect([labels[0], labels[10]]).toEqual(["blocks.0", "blocks.1"]);
});

test("names never lie closer than a line of text", () => {
  const names = Array.from({ length: 300 }, (_, at) => `blocks.${Math.floor(at / 3)}.part${at % 3}`);
  const shown = labelsOf(rowsOf(names), 1.5).rows.flatMap((label, at) => (label === "" ? [] : [at * 1.5]));
  shown.slice(1).forEach((y, at) => {
    expect(y - (shown[at] ?? 0)).toBeGreaterThanOrEqual(12);
  });
  expect(shown.length).toBeGreaterThan(20);
});

test("rows in another order than the model's are not named after a module they happen to begin", () => {
  const labels = labelsOf(rowsOf(["b.0.w", "a.0.w", "b.1.w", "a.1.w"]), 4).rows;
  expect(labels).toEqual(["b.0.w", "", "", "a.1.w"]);
});

test("one spike in one of a thousand layers survives in every span that holds it", () => {
  const table = makeTable(Array.from({ length: 1000 }, (_, layer) => [1, layer === 617 ? 25 : 1, 1]));
  const all = Array.from({ length: 1000 }, (_, column) => [column]);
  for (const [from, to] of [
    [0, 1000],
    [300, 700],
    [617, 618],
  ] as const) {
    const grid = codeRows(table, all.slice(from, to), 97, [0.1, 10]);
    expect(Math.max(...mergeColumns(grid, columnSpans(table.firstStep, 0, 30, 2)).codes)).toBe(ABOVE);
  }
});

test("the rows in view stay while records come in, and all are shown once there are others", () => {
  const { result, rerender } = renderHook(({ rows }: { rows: Row[] }) => useSpan(rows), {
    initialProps: { rows: rowsOf(["a", "b", "c"]) },
  });
  act(() => result.current[1]([1, 2]));
  rerender({ rows: rowsOf(["a", "b", "c"]) });
  expect(result.current[0]).toEqual([1, 2]);
  rerender({ rows: rowsOf(["a", "c", "b"]) });
  expect(result.current[0]).toBeNull();
  rerender({ rows: rowsOf(["a", "b", "c"]) });
  expect(result.current[0]).toBeNull();
});

test("a box takes every row that it touches", () => {
  expect(rowsBetween(2.9, 5.1, 50)).toEqual([2, 6]);
  expect(rowsBetween(5.1, 2.9, 50)).toEqual([2, 6]);
  expect(rowsBetween(3.2, 3.4, 50)).toEqual([3, 4]);
  expect(rowsBetween(-4, 3.4, 50)).toEqual([0, 4]);
  expect(rowsBetween(48.5, 70, 50)).toEqual([48, 50]);
  expect(rowsBetween(-1, 60, 50)).toBeNull();
});

test("what all names begin with is said once, and rows with findings have their names whatever the room", () => {
  const rows = rowsOf(Array.from({ length: 60 }, (_, at) => `net.block.${Math.floor(at / 6)}.p${at % 6}`));
  expect(prefixOf(rows)).toBe("net.");
  expect(prefixOf(rowsOf(["a.w"]))).toBe("");
  expect(prefixOf(rowsOf(["t.h.a.w", "t.h.b.w", "t.h.c.w", "head.w"]))).toBe("t.h.");
  expect(prefixOf(rowsOf(["a.w", "a"]))).toBe("");
  const badges = new Map([["net.block.3.p4", "warning" as const]]);
  const { rows: labels, badges: marked } = labelsOf(rows, 3, "net.", badges, 40);
  expect([labels[0], labels[22], labels[40]]).toEqual(["…block.0", "…block.3.p4 ▲", "…block.6.p4"]);
  expect(marked[22]).toBe("warning");
});

test("a map of many layers is folded by itself, as finely as leaves rows to be told apart", () => {
  const gpt = Array.from({ length: 12 }, (_, at) =>
    ["attn.q", "attn.k", "mlp.a", "mlp.b"].map((part) => `t.h.${at}.${part}.weight`),
  ).flat();
  expect(automaticDepth(gpt.slice(0, 40))).toBe(0);
  expect(automaticDepth(gpt)).toBe(4);
  expect(automaticDepth(Array.from({ length: 300 }, (_, at) => `l${at}.weight`))).toBe(1);
  // Fifty blocks below one name: one row would be no picture.
  const blocks = Array.from({ length: 600 }, (_, at) => `h.${Math.floor(at / 12)}.mlp.part${at % 12}.weight`);
  expect(automaticDepth(blocks)).toBe(2);
});
