import { expect, test } from "vitest";
import { columnNamed, decodeMatrix, decodeTable } from "../src/data/table";

/** Bytes as the contract describes them, written here by hand. */
function encode(flags: number[], version = 2): ArrayBuffer {
  const arrays = [
    { name: "first_step", dtype: "f8", shape: [2], offset: 0 },
    { name: "last_step", dtype: "f8", shape: [2], offset: 16 },
    { name: "min", dtype: "f4", shape: [1, 2], offset: 32 },
    { name: "max", dtype: "f4", shape: [1, 2], offset: 40 },
    { name: "last", dtype: "f4", shape: [1, 2], offset: 48 },
    { name: "flags", dtype: "u1", shape: [1, 2], offset: 56 },
    { name: "peak_step", dtype: "f8", shape: [1, 2], offset: 64 },
    { name: "median", dtype: "f4", shape: [1], offset: 80 },
  ];
  const about = {
    quantity: "loss",
    unit: "loss",
    axis: "run",
    columns: ["损失"],
    records: 9,
    buckets: 2,
    windows: true,
    arrays,
  };
  let header = new TextEncoder().encode(JSON.stringify(about));
  const padded = new Uint8Array(Math.ceil((12 + header.length) / 8) * 8 - 12).fill(32);
  padded.set(header);
  header = padded;
  const bytes = new ArrayBuffer(12 + header.length + 88);
  const view = new DataView(bytes);
  new Uint8Array(bytes).set(new TextEncoder().encode("TBLD"));
  view.setUint8(4, version);
  view.setUint32(8, header.length, true);
  new Uint8Array(bytes).set(header, 12);
  const start = 12 + header.length;
  [0, 50, 40, 90].forEach((step, index) => {
    view.setFloat64(start + index * 8, step, true);
  });
  [1, 2, 3, NaN, 2, Number.POSITIVE_INFINITY].forEach((value, index) => {
    view.setFloat32(start + 32 + index * 4, value, true);
  });
  new Uint8Array(bytes).set(flags, start + 56);
  view.setFloat64(start + 64, 45, true);
  view.setFloat32(start + 80, 2.5, true);
  return bytes;
}

test("reads the header and every array", () => {
  const table = decodeTable(encode([0, 3]));
  expect(table.columns).toEqual(["损失"]);
  expect([table.records, table.buckets]).toEqual([9, 2]);
  expect([...table.firstStep, ...table.lastStep]).toEqual([0, 50, 40, 90]);
  expect([...table.min]).toEqual([1, 2]);
  expect([...table.last]).toEqual([2, Number.POSITIVE_INFINITY]);
  expect([...table.flags]).toEqual([0, 3]);
  expect([table.peakStep[0], table.windows]).toEqual([45, true]);
});

test("reads a matrix", () => {
  const matrix = decodeMatrix(encode([0, 3]));
  expect([...matrix.median]).toEqual([2.5]);
  expect(matrix.max[0]).toBe(3);
});

test("keeps NaN", () => {
  expect(decodeTable(encode([0, 1])).max[1]).toBeNaN();
});

test("finds a column by its name", () => {
  const table = decodeTable(encode([0, 3]));
  expect([...(columnNamed(table, "损失")?.flags ?? [])]).toEqual([0, 3]);
  expect(columnNamed(table, "other")).toBeUndefined();
});

test("refuses what it does not know", () => {
  expect(() => decodeTable(new ArrayBuffer(3))).toThrow("too short");
  expect(() => decodeTable(new ArrayBuffer(64))).toThrow("TBLD");
  expect(() => decodeTable(encode([0, 0], 3))).toThrow("format 3");
});
