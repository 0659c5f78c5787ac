import { afterEach, expect, test } from "vitest";
import { BY_STEP, byClock, byFinding, commonExtent, sharedFinding, warped } from "../src/data/align";
import { interpolate } from "../src/data/interpolate";
import { currentAxis, currentZoom, onZoom, setAxis, setZoom } from "../src/data/zoom";
import { reachOf } from "../src/heat/canvas";
import { columnSpans } from "../src/heat/grid";
import { formatDuration, formatOffset } from "../src/text/numbers";
import { makeDiagnosis, makeFinding, makeMatrix, makeTable } from "./make";

afterEach(() => {
  setAxis("step");
  setZoom(null);
});

const found = (...pairs: [string, number][]) =>
  makeDiagnosis({
    findings: pairs.map(([code, first_step]) => makeFinding({ code, first_step, title: "t" })),
  });

test("runs meet at the first finding of A that all of them have, where it began", () => {
  const shared = sharedFinding([
    found(["LD501", 5], ["LD202", 70], ["LD202", 40]),
    found(["LD101", 3], ["LD202", 200]),
  ]);
  expect(shared).toEqual({ at: 2, title: "LD202 t", firsts: [40, 200] });
  expect(sharedFinding([found(["LD501", 5]), found(["LD202", 5])])).toBeNull();
});

test("steps are told from the finding on, and found back", () => {
  const alignment = byFinding({ at: 1, title: "", firsts: [40, 200] });
  expect(alignment.warps?.map(({ to }) => to(40))).toEqual([0, -160]);
  expect(alignment.warps?.map(({ back }) => back(10))).toEqual([50, 210]);
  expect(
    commonExtent(
      [
        [0, 100],
        [0, 400],
      ],
      alignment,
    ),
  ).toEqual([-200, 200]);
});

test("steps are told by each run's own clock, and found back", () => {
  const [fast, slow] = [makeTable([[0, 1, 2]]), makeTable([[0, 10, 60]])];
  const alignment = byClock("epoch", [fast, slow]);
  expect(alignment.axis).toBe("epoch");
  expect(alignment.warps?.map(({ to }) => to(15))).toEqual([1.5, 35]);
  expect(alignment.warps?.map(({ back }) => back(1.5))).toEqual([15, 1.5]);
  const placed = warped(makeTable([[1, 2, 3]]), alignment.warps?.[1]);
  expect([...placed.lastStep]).toEqual([0, 10, 60]);
  expect([...placed.peakStep]).toEqual([0, 10, 60]);
});

test("by step nothing changes", () => {
  const table = makeTable([[1, 2]]);
  expect(warped(table, BY_STEP.warps?.[0])).toBe(table);
  expect(
    commonExtent(
      [
        [0, 9],
        [5, 20],
      ],
      BY_STEP,
    ),
  ).toEqual([0, 20]);
});

test("between known points there is a straight line, beyond them the last value", () => {
  expect([-5, 0, 5, 10, 12, 20, 99].map((x) => interpolate(x, [0, 10, 20], [1, 3, 3]))).toEqual([
    ...[1, 1, 2, 3, 3, 3, 3],
  ]);
});

test("a zoom in times is not one in steps, and coming back shows the steps again", () => {
  setZoom([10, 20]);
  const heard: unknown[] = [];
  const stop = onZoom((range) => heard.push([currentAxis(), range]));
  setAxis("time");
  expect(currentZoom()).toBeNull();
  setZoom([3, 5]);
  setZoom([30, 50], null, "step");
  setAxis("step");
  stop();
  expect(currentZoom()).toEqual([30, 50]);
  setAxis("time");
  expect(currentZoom()).toBeNull();
  expect(heard).toEqual([
    ["time", null],
    ["time", [3, 5]],
    ["step", [30, 50]],
  ]);
});

test("a shorter run is not painted on to the end of the longer one", () => {
  const matrix = makeMatrix([[1, 1, 1, 1, 1]]);
  const spans = columnSpans(matrix.firstStep, -40, 160, 20, reachOf(matrix));
  const empty = Array.from({ length: 20 }, (_, x) => spans[2 * x] === spans[2 * x + 1]);
  expect(empty.slice(0, 2)).toEqual([true, true]);
  expect(empty.slice(4, 9)).toEqual([false, false, false, false, false]);
  expect(empty.slice(11)).toEqual(new Array(9).fill(true));
});

test("times and distances are written alike in every language", () => {
  expect([0, 59.6, 3750, 360_000].map(formatDuration)).toEqual([
    "0:00:00",
    "0:01:00",
    "1:02:30",
    "100:00:00",
  ]);
  expect([-1200, 0, 20].map((steps) => formatOffset(steps))).toEqual(["-1,200", "0", "+20"]);
});
