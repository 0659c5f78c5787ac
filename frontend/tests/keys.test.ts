import { beforeEach, expect, test } from "vitest";
import { anomalyFrom, type Board, moved, selected, zoomKey } from "../src/charts/keys";
import { between, currentZoom, limited, onZoom, setZoom } from "../src/data/zoom";

const BOARD: Board = {
  steps: [0, 10, 20, 30, 40],
  rows: 3,
  extent: [0, 40],
  anomalies: [
    { at: 1, row: 2 },
    { at: 3, row: 0 },
  ],
};

beforeEach(() => setZoom(null));

test("arrow keys move the cursor within the picture", () => {
  expect(moved({ row: 0, at: 0 }, "ArrowDown", false, BOARD)).toEqual({ row: 1, at: 0 });
  expect(moved({ row: 0, at: 0 }, "ArrowRight", true, BOARD)).toEqual({ row: 0, at: 4 });
  expect(moved({ row: 0, at: 2 }, "Home", false, BOARD)).toEqual({ row: 0, at: 0 });
  expect(moved({ row: 0, at: 0 }, "x", false, BOARD)).toBeNull();
});

test("up and down are left to the page where there is only one row", () => {
  expect(moved({ row: 0, at: 0 }, "ArrowDown", false, { ...BOARD, rows: 1 })).toBeNull();
});

test("n and p jump between what stands out", () => {
  expect(anomalyFrom({ row: 0, at: 0 }, "n", BOARD)).toEqual({ at: 1, row: 2 });
  expect(anomalyFrom({ row: 2, at: 1 }, "n", BOARD)).toEqual({ at: 3, row: 0 });
  expect(anomalyFrom({ row: 0, at: 4 }, "p", BOARD)).toEqual({ at: 3, row: 0 });
  expect(anomalyFrom({ row: 0, at: 0 }, "p", BOARD)).toBeNull();
});

test("keys zoom, move and reset the common range", () => {
  expect(zoomKey("+", 20, BOARD.extent)).toBe(true);
  expect(currentZoom()).toEqual([10, 30]);
  zoomKey("]", 20, BOARD.extent);
  expect(currentZoom()).toEqual([15, 35]);
  zoomKey("0", 20, BOARD.extent);
  expect(currentZoom()).toBeNull();
  expect(zoomKey("q", 20, BOARD.extent)).toBe(false);
});

test("a range stays inside, is a step wide at least, and all of it is none", () => {
  expect(limited([-10, 20], [0, 40])).toEqual([0, 30]);
  expect(limited([5, 5], [0, 40])).toEqual([5, 6]);
  expect(limited([-1, 99], [0, 40])).toBeNull();
  expect(selected(30, 10, BOARD.extent)).toEqual([10, 30]);
});

test("an end typed beyond the run leaves the other end where it is", () => {
  expect(between([3, 20], [0, 15])).toEqual([3, 15]);
  expect(between([-5, 7], [0, 15])).toEqual([0, 7]);
  expect(between([9, 4], [0, 15])).toEqual([9, 10]);
  expect(between([40, 50], [0, 15])).toEqual([14, 15]);
  expect(between([-1, 99], [0, 40])).toBeNull();
});

test("listeners hear a change once, with its source", () => {
  const heard: unknown[] = [];
  const stop = onZoom((range, source) => heard.push([range, source]));
  setZoom([1, 2], "chart");
  setZoom([1, 2], "other");
  stop();
  setZoom(null);
  expect(heard).toEqual([[[1, 2], "chart"]]);
});
