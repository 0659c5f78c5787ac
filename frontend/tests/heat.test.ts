import { expect, test } from "vitest";
import { Flag, type Table } from "../src/data/table";
import { endsOf, pixelOf, sourceFor, tailOf } from "../src/heat/canvas";
import { momentsOf, RAIL, railOf } from "../src/heat/events";
import {
  ABOVE,
  bucketAt,
  type Columns,
  codeOf,
  codeRows,
  columnSpans,
  domainOf,
  FAR_ABOVE,
  type Grid,
  mergeColumns,
  mergeFlags,
} from "../src/heat/grid";
import { lutOf, SEQUENTIAL } from "../src/heat/lut";
import { lookOf, paint } from "../src/heat/painter";
import { over, overMedian } from "../src/heat/scale";
import { makeMatrix, makeTable } from "./make";

const INK = { lut: lutOf("viridis"), page: pixelOf("#ffffff") };
const DOMAIN = [0.1, 10] as const;

function reduceTable(table: Table, rows: readonly Columns[], spans: Int32Array, height: number): Grid {
  return mergeColumns(codeRows(table, rows, height, DOMAIN), spans);
}

function pixel(pixels: Uint32Array, width: number, x: number, y: number): number {
  return pixels[y * width + x] ?? 0;
}

test("a one-step spike survives when many steps share a pixel", () => {
  const row = Array.from({ length: 1000 }, (_, index) => (index === 617 ? 900 : 1));
  const table = makeTable([row]);
  const grid = reduceTable(table, [[0]], columnSpans(table.firstStep, 0, 9990, 10), 1);
  expect(Math.max(...grid.codes)).toBe(FAR_ABOVE);
});

test("a NaN survives merging rows and steps", () => {
  const table = makeTable([
    [1, 1, 1, 1],
    [1, 1, 1, 1],
  ]);
  table.flags[5] = Flag.nan;
  const grid = reduceTable(table, [[0, 1]], columnSpans(table.firstStep, 0, 40, 1), 1);
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
  const grid = reduceTable(table, [[0], [1], [2], [3], [4]], columnSpans(table.firstStep, 0, 10, 12), 60);
  const pixels = paint(grid, 60, INK);
  const looks = [0, 1, 2, 3, 4].map((row) => {
    const cells: number[] = [];
    for (let y = row * 12 + 3; y < row * 12 + 9; y++) {
      for (let x = 3; x < 9; x++) cells.push(pixel(pixels, 12, x, y));
    }
    return JSON.stringify(cells);
  });
  expect(new Set(looks).size).toBe(5);
});

const ROWS = Array.from({ length: 9 }, (_, column) => [column]);

/** Pixels of a 9 x 9 picture that differ from its corner. */
function different(pixels: Uint32Array): number {
  return pixels.filter((value) => value !== pixels[0]).length;
}

test.each([
  ["zero", 0],
  ["far above the scale", 900],
  ["not recorded", NaN],
])("a lone cell that is %s is three pixels wide and high", (_, value) => {
  const rows = Array.from({ length: 9 }, () => new Array(9).fill(1));
  rows[4]?.splice(4, 1, value);
  const table = makeTable(rows);
  const grid = reduceTable(table, ROWS, columnSpans(table.firstStep, 0, 90, 9), 9);
  // The dots of "not recorded" are on every fourth pixel, so what counts is that nothing of the value is left.
  const pixels = paint(grid, 9, INK);
  for (let y = 3; y <= 5; y++)
    for (let x = 3; x <= 5; x++) expect(pixel(pixels, 9, x, y)).not.toBe(pixels[0]);
});

test("records with gaps between them are not painted over", () => {
  const rows = Array.from({ length: 9 }, () => Array.from({ length: 9 }, (_, at) => (at % 2 ? NaN : 1)));
  const table = makeTable(rows);
  const grid = reduceTable(table, ROWS, columnSpans(table.firstStep, 0, 90, 9), 9);
  const pixels = paint(grid, 9, INK);
  expect(pixels.filter((value) => value === pixels[0])).toHaveLength(45);
});

test("what stands out is found, with its layer, its place and its recorded value", () => {
  const rows = [new Array(50).fill(1), new Array(50).fill(2), new Array(50).fill(3)];
  rows[1]?.splice(31, 1, 500);
  const matrix = makeMatrix(rows);
  matrix.flags[2 * 50 + 7] = Flag.nan;
  const [nan, spike, ...rest] = momentsOf(matrix);
  expect(nan).toMatchObject({ kind: "nan", column: 2, bucket: 7 });
  expect(spike).toMatchObject({ kind: "spike", column: 1, bucket: 31, value: 500, ratio: 250 });
  expect(rest).toEqual([]);
  const rail = railOf(matrix);
  expect([rail[7], rail[31], rail[0]]).toEqual([RAIL.broken, RAIL.spike, 0]);
});

test("what happens to many layers at once is one moment, and to one layer later another", () => {
  const matrix = makeMatrix([new Array(50).fill(1), new Array(50).fill(2), new Array(50).fill(3)]);
  matrix.max.set([20], 5);
  matrix.max.set([30], 56);
  for (const at of [40, 91, 140]) matrix.flags[at] = Flag.nan;
  const [first, second, spike, ...rest] = momentsOf(matrix);
  expect(first).toMatchObject({ kind: "nan", column: 0, bucket: 40, layers: 2 });
  expect(second).toMatchObject({ kind: "nan", column: 1, bucket: 41, layers: 1 });
  expect(spike).toMatchObject({ kind: "spike", column: 0, bucket: 5, layers: 2, ratio: 20, least: 15 });
  expect(rest).toEqual([]);
});

test("the axis has room for the last record's cell, and a gap in the record stays empty", () => {
  const steps = [0, 1, 2, 3, 4, 1000, 1001, 1002, 1003, 1004];
  const matrix = {
    ...makeMatrix([new Array(10).fill(1)]),
    firstStep: Float64Array.from(steps),
    lastStep: Float64Array.from(steps),
  };
  expect(tailOf(makeMatrix([new Array(10).fill(1)]))).toBe(10);
  expect(tailOf(makeMatrix([[1]]))).toBe(1);
  expect(endsOf(makeMatrix([new Array(10).fill(1)]))).toBeNull();
  const spans = columnSpans(matrix.firstStep, 0, 1005, 1005, undefined, endsOf(matrix));
  const empty = Array.from({ length: 1005 }, (_, x) => spans[2 * x] === spans[2 * x + 1]);
  expect([empty[4], empty[500], empty[1000], empty[1004]]).toEqual([false, true, false, false]);
});

test("a layer is measured by its own median; one that is always zero keeps its look", () => {
  const matrix = overMedian(
    makeMatrix([
      [1, 2, 4],
      [0, 0, 0],
      [NaN, 5, 5],
    ]),
  );
  expect([...matrix.max.slice(0, 3)]).toEqual([0.5, 1, 2]);
  expect([...matrix.flags.slice(3, 6)]).toEqual([Flag.zero, Flag.zero, Flag.zero]);
  expect(matrix.flags[6]).toBe(Flag.absent);
});

test("two runs are divided where both were recorded", () => {
  const a = makeMatrix(
    [
      [4, 4, 4],
      [1, 1, 1],
    ],
    ["w", "only a"],
  );
  const b = makeMatrix([[1, 2, NaN]], ["w"]);
  b.flags[1] = Flag.nan;
  const ratio = over(a, b, (step) => bucketAt(b.firstStep, step));
  expect(ratio.columns).toEqual(["w"]);
  expect(ratio.max[0]).toBe(4);
  expect([...ratio.flags]).toEqual([0, Flag.nan, Flag.absent]);
});

test("a finer matrix is used only where it holds all of the view", () => {
  const whole = makeMatrix([Array.from({ length: 101 }, () => 1)]);
  const fine = {
    ...makeMatrix([[1, 1, 1]]),
    firstStep: Float64Array.of(400, 410, 420),
    lastStep: Float64Array.of(409, 419, 429),
  };
  const frame = (from: number, to: number) => ({ x: 0, y: 0, width: 10, height: 10, from, to });
  expect(sourceFor({ whole, fine }, frame(402, 425))).toBe(fine);
  expect(sourceFor({ whole, fine }, frame(0, 1000))).toBe(whole);
  expect(sourceFor({ whole, fine: undefined }, frame(402, 425))).toBe(whole);
});

test("a bad cell of one pixel is painted at least three pixels wide and high", () => {
  const table = makeTable(Array.from({ length: 9 }, () => new Array(9).fill(1)));
  table.flags[4 * 9 + 4] = Flag.nan;
  const grid = reduceTable(table, ROWS, columnSpans(table.firstStep, 0, 90, 9), 9);
  expect(different(paint(grid, 9, INK))).toBeGreaterThanOrEqual(9);
});

test("an empty grid paints nothing", () => {
  expect(
    paint({ width: 0, height: 0, codes: new Uint16Array(), flags: new Uint8Array() }, 0, INK),
  ).toHaveLength(0);
});

test("colours follow the logarithm and clamp at the ends", () => {
  expect([127, 128]).toContain(codeOf(1, DOMAIN));
  expect(codeOf(10, DOMAIN)).toBe(255);
  expect(codeOf(11, DOMAIN)).toBe(ABOVE);
  expect(codeOf(1e9, DOMAIN)).toBe(FAR_ABOVE);
  expect(codeOf(0, DOMAIN)).toBe(0);
  expect(codeOf(NaN, DOMAIN)).toBe(0);
  expect(pixelOf("#303132")).toBe(0xff323130);
});

test.each([...SEQUENTIAL])("%s grows lighter from end to end", (name) => {
  const light = [...lutOf(name)].map((word) => {
    const [red, green, blue] = [word & 255, (word >> 8) & 255, (word >> 16) & 255];
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  });
  expect(light).toHaveLength(256);
  light.slice(1).forEach((value, at) => {
    expect(value).toBeGreaterThanOrEqual((light[at] ?? 0) - 1);
  });
});

test("the colour range ignores what is not a positive number and spans a decade", () => {
  const table = makeTable([[0, NaN, 2, Number.POSITIVE_INFINITY]]);
  const [low, high] = domainOf(table.max);
  expect(high / low).toBeCloseTo(10);
  expect(low * high).toBeCloseTo(4);
});

test("a step belongs to the bucket that starts at or before it", () => {
  expect([-5, 0, 9, 10, 500].map((step) => bucketAt([0, 10, 20], step))).toEqual([0, 0, 0, 1, 2]);
});
