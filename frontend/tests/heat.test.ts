import { expect, test } from "vitest";
import { Flag } from "../src/data/table";
import { bucketAt, columnSpans, domainOf, mergeFlags, reduceTable } from "../src/heat/grid";
import { moved } from "../src/heat/HeatMap";
import { viridis } from "../src/heat/lut";
import { colourIndex, lookOf, paint } from "../src/heat/painter";
import { gridFor, rgbOf } from "../src/heat/surface";
import { makeTable } from "./make";

const PAGE = [255, 255, 255] as const;

function pixel(pixels: Uint8ClampedArray, width: number, x: number, y: number): number[] {
  return [...pixels.slice((y * width + x) * 4, (y * width + x) * 4 + 3)];
}

test("a one-step spike survives when many steps share a pixel", () => {
  const row = Array.from({ length: 1000 }, (_, index) => (index === 617 ? 900 : 1));
  const table = makeTable([row]);
  const grid = reduceTable(table, [0], columnSpans(table.firstStep, 0, 9990, 10), 1);
  expect(Math.max(...grid.max)).toBe(900);
});

test("a NaN survives merging rows and steps", () => {
  const table = makeTable([
    [1, 1, 1, 1],
    [1, 1, 1, 1],
  ]);
  table.flags[5] = Flag.nan;
  const grid = reduceTable(table, [0, 1], columnSpans(table.firstStep, 0, 40, 1), 1);
  expect(lookOf(grid.flags[0] ?? 0)).toBe("nan");
});

test("zero and absent hold only where all merged cells agree", () => {
  expect(mergeFlags(Flag.zero, 0)).toBe(0);
  expect(mergeFlags(Flag.zero, Flag.zero)).toBe(Flag.zero);
  expect(mergeFlags(Flag.absent, Flag.zero)).toBe(Flag.zero);
  expect(mergeFlags(Flag.absent, Flag.absent)).toBe(Flag.absent);
  expect(mergeFlags(Flag.absent, Flag.plusInf)).toBe(Flag.plusInf);
});

test("the four looks and a value are five different pictures", () => {
  const table = makeTable([[1], [0], [NaN], [Number.POSITIVE_INFINITY], [1]]);
  table.flags[4] = Flag.nan;
  const frame = { x: 0, y: 0, width: 12, height: 60, from: 0, to: 10 };
  const grid = gridFor(table, [0, 1, 2, 3, 4], frame, 1);
  const pixels = paint(grid, 60, [0.1, 10], PAGE);
  const looks = [0, 1, 2, 3, 4].map((row) => {
    const cells: number[][] = [];
    for (let y = row * 12 + 3; y < row * 12 + 9; y++) {
      for (let x = 3; x < 9; x++) cells.push(pixel(pixels, 12, x, y));
    }
    return JSON.stringify(cells);
  });
  expect(new Set(looks).size).toBe(5);
});

test("a bad cell of one pixel is painted at least three pixels wide and high", () => {
  const table = makeTable(Array.from({ length: 9 }, () => new Array(9).fill(1)));
  table.flags[4 * 9 + 4] = Flag.nan;
  const grid = reduceTable(table, [...Array(9).keys()], columnSpans(table.firstStep, 0, 90, 9), 9);
  const pixels = paint(grid, 9, [0.1, 10], PAGE);
  const value = pixel(pixels, 9, 0, 0).join();
  let bad = 0;
  for (let at = 0; at < 81; at++) if (pixel(pixels, 9, at % 9, Math.floor(at / 9)).join() !== value) bad++;
  expect(bad).toBeGreaterThanOrEqual(9);
});

test("an empty grid paints nothing", () => {
  expect(
    paint({ width: 0, height: 0, max: new Float32Array(), flags: new Uint8Array() }, 0, [1, 10], PAGE),
  ).toHaveLength(0);
});

test("colours follow the logarithm and clamp at the ends", () => {
  expect(colourIndex(1, [0.1, 10])).toBe(128);
  expect(colourIndex(1e9, [0.1, 10])).toBe(255);
  expect(colourIndex(0, [0.1, 10])).toBe(0);
  expect(viridis()).toHaveLength(768);
  expect(rgbOf("#303132")).toEqual([48, 49, 50]);
});

test("the colour range ignores what is not a positive number and spans a decade", () => {
  const table = makeTable([[0, NaN, 2, Number.POSITIVE_INFINITY]]);
  const [low, high] = domainOf(reduceTable(table, [0], columnSpans(table.firstStep, 0, 40, 4), 1));
  expect(high / low).toBeCloseTo(10);
  expect(low * high).toBeCloseTo(4);
});

test("a step belongs to the bucket that starts at or before it", () => {
  expect([-5, 0, 9, 10, 500].map((step) => bucketAt([0, 10, 20], step))).toEqual([0, 0, 0, 1, 2]);
});

test("arrow keys move the cursor within the picture", () => {
  expect(moved({ row: 0, bucket: 0 }, "ArrowDown", false, 3, 5)).toEqual({ row: 1, bucket: 0 });
  expect(moved({ row: 0, bucket: 0 }, "ArrowRight", true, 3, 5)).toEqual({ row: 0, bucket: 4 });
  expect(moved({ row: 0, bucket: 2 }, "Home", false, 3, 5)).toEqual({ row: 0, bucket: 0 });
  expect(moved({ row: 0, bucket: 0 }, "x", false, 3, 5)).toBeNull();
});
