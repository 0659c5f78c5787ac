import { expect, test } from "vitest";
import { scriptLineOf } from "../src/data/scriptLine";
import { type Column, columnAt, Flag } from "../src/data/table";
import type { RunSummary } from "../src/data/types";
import { type Arrangement, rowsOf } from "../src/heat/rows";
import { ago, lifeOf } from "../src/text/age";
import { coefficientLine, readClip } from "../src/views/clipping/clip";
import { evidenceLines, groupEvidence, thresholdLines } from "../src/views/findings/evidenceLines";
import { barOf } from "../src/views/overview/Lanes";
import { canStack, contributions, shares } from "../src/views/terms/decompose";
import { makeFinding, makeMatrix, makeRun, makeTable } from "./make";

const TERMS = ["recon", "kl"];

test("a contribution is the weight in force times the value", () => {
  const weights = makeTable(
    [
      [1, NaN, 2],
      [0.5, 0.5, 0.5],
    ],
    TERMS,
  );
  const { terms } = contributions(
    makeTable(
      [
        [1, 2, 3],
        [4, 4, 4],
      ],
      TERMS,
    ),
    weights,
  );
  expect([...(terms[0]?.values ?? [])]).toEqual([1, 2, 6]);
  expect([...(terms[1]?.values ?? [])]).toEqual([2, 2, 2]);
});

test("without weights the terms are the contributions", () => {
  expect([...(contributions(makeTable([[1, 2]], ["recon"]), undefined).terms[0]?.values ?? [])]).toEqual([
    1, 2,
  ]);
});

test("shares are of the sizes, and missing terms do not count", () => {
  const { terms } = shares(
    contributions(
      makeTable(
        [
          [3, 1],
          [-1, NaN],
        ],
        TERMS,
      ),
      undefined,
    ),
  );
  expect([...(terms[0]?.values ?? [])]).toEqual([0.75, 1]);
  expect(terms[1]?.values[0]).toBe(0.25);
});

test("negative contributions cannot be stacked", () => {
  expect(canStack(contributions(makeTable([[1], [2]], TERMS), undefined))).toBe(true);
  expect(canStack(contributions(makeTable([[1], [-2]], TERMS), undefined))).toBe(false);
});

function clip(values: number[], name = "clip"): Column {
  return columnAt(makeTable([values], [name]), 0);
}

test("share and median are those of the server's coefficients", () => {
  const coefficient = clip([0.25, 1, 0.5, 0.125]);
  const reading = readClip({ norm: clip([4, 0.5, 2, 8]), maxNorm: clip([1, 1, 1, 1]), coefficient });
  expect([...reading.coefficients]).toEqual([0.25, 1, 0.5, 0.125]);
  expect(reading.clippedShare).toBe(0.75);
  expect(reading.median).toBeCloseTo(0.375);
});

test("the page works no coefficient out of norms", () => {
  const reading = readClip({ norm: clip([4, 8]), maxNorm: clip([1, 1]) });
  expect([...reading.coefficients]).toEqual([]);
  expect(reading.median).toBeNaN();
  expect(coefficientLine("factor", { norm: clip([4, 8]), maxNorm: clip([1, 1]) }).points).toEqual([]);
});

test("norms that were not finite are counted and have no coefficient", () => {
  const norm = clip([4, NaN]);
  norm.flags[1] = Flag.nan;
  const reading = readClip({ norm, maxNorm: clip([1, 1]), coefficient: clip([0.25, NaN]) });
  expect(reading.nonFinite).toBe(1);
  expect(reading.clippedShare).toBe(1);
});

test("how many clips changed a gradient is what the records counted: a point may stand for several", () => {
  const counted = { bound: clip([1, 0]), calls: clip([4, 4]), coefficient: clip([0.25, 0.25]) };
  expect(readClip({ norm: clip([4, 4]), maxNorm: clip([1, 1]), ...counted }).clippedShare).toBe(0.125);
});

test("the coefficient's line has the extremes inside each point, and a gap where there is none", () => {
  const coefficient = clip([0.25, NaN, 1]);
  coefficient.min[0] = 0.125;
  coefficient.max[0] = 0.5;
  const line = coefficientLine("factor", { norm: clip([4, NaN, 1]), maxNorm: clip([1, 1, 1]), coefficient });
  expect(line.points).toEqual([
    [0, 0.25],
    [10, null],
    [20, 1],
  ]);
  expect(line.band).toEqual([[0, 0.125, 0.5]]);
});

test("layers are filtered and sorted, what is not a number first", () => {
  const rows = [
    [1, 2],
    [9, 9],
    [1, Number.POSITIVE_INFINITY],
  ];
  const matrix = makeMatrix(rows, ["a.x", "b.x", "c.y"]);
  const names = (change: Partial<Arrangement>) =>
    rowsOf(matrix, { filter: "", order: "model", depth: 0, unfolded: new Set(), ...change }).map(
      ({ name }) => name,
    );
  expect(names({ order: "worst" })).toEqual(["c.y", "b.x", "a.x"]);
  expect(names({ filter: ".X" })).toEqual(["a.x", "b.x"]);
  expect(names({ filter: "x a" })).toEqual(["a.x"]);
  expect(names({ order: "norm" })[0]).toBe("b.x");
});

test("layers fold into modules and unfold again", () => {
  const columns = ["blocks.0.q", "blocks.0.k", "blocks.1.q", "head"];
  const matrix = makeMatrix([[1], [2], [3], [4]], columns);
  const fold = (depth: number, unfolded: string[] = []) =>
    rowsOf(matrix, { filter: "", order: "model", depth, unfolded: new Set(unfolded) });
  expect(fold(1).map(({ name, columns: { length } }) => [name, length])).toEqual([
    ["blocks", 3],
    ["head", 1],
  ]);
  expect(fold(2).map(({ name }) => name)).toEqual(["blocks.0", "blocks.1.q", "head"]);
  expect(fold(2, ["blocks.0"]).map(({ name }) => name)).toEqual(columns);
});

test("evidence is one chart per quantity, with thresholds of the curve only", () => {
  const on = {
    quantity: "q",
    column: "layer0",
    first_step: 0,
    last_step: 10,
    observed: 5,
    threshold: 4,
    judged: null,
  };
  const ratio = { ...on, column: "layer1", observed: 1900, threshold: 100 };
  expect(
    groupEvidence([on, { ...on, quantity: "r" }, ratio]).map(([name, some]) => [name, some.length]),
  ).toEqual([
    ["q", 2],
    ["r", 1],
  ]);
  const lines = evidenceLines(
    makeTable([
      [1, 6],
      [2, 3],
      [0, 0],
    ]),
    [on, ratio],
  );
  expect(lines.map(({ name }) => name)).toEqual(["layer0", "layer1"]);
  expect(thresholdLines([on, ratio], lines, (key) => key, "en").map(({ value }) => value)).toEqual([4]);
});

test("a lane is visible however short, and stays inside", () => {
  expect(barOf(makeFinding({ first_step: 1000, last_step: 1000, ongoing: false }), [0, 1000])).toEqual({
    left: 99.4,
    width: 0.6,
    rest: 0,
  });
  const half = { first_step: 0, last_step: 500 };
  expect(barOf(makeFinding({ ...half, ongoing: false }), [0, 1000])).toEqual({ left: 0, width: 50, rest: 0 });
  expect(barOf(makeFinding({ ...half, ongoing: true }), [0, 1000])).toEqual({ left: 0, width: 50, rest: 50 });
  expect(barOf(makeFinding(half), [600, 1000])).toBeNull();
});

test("ages are told in the largest unit that fits", () => {
  expect(ago(0, 4, "en")).toBe("4 seconds ago");
  expect(ago(0, 7300, "zh-CN")).toBe("2小时前");
  expect(ago(10, 10, "en")).toBeNull();
});

test("a run ended where its records say so; one that is silent for many of its usual pauses is that and no more", () => {
  const life = (now: number, change: Partial<RunSummary> = {}, unknown = false) =>
    lifeOf(makeRun({ last_walltime: 1000, period: 1, ended: false, ...change }), now, unknown);
  expect(life(1060)).toBe("growing");
  expect(life(1200)).toBe("silent");
  expect(life(1200, { period: 60 })).toBe("growing");
  expect(life(1121, { period: null })).toBe("silent");
  expect(life(1200, {}, true)).toBe("unknown");
  expect(life(1001, { ended: true })).toBe("ended");
});

test("a finding's line is the loss's, the clip's or the step's, as the report says it", () => {
  const facts = {
    loss_lines: "cross_entropy at train.py:29; mse_loss at train.py:31",
    clip_line: "train.py:33",
    step_line: "train.py:35",
  };
  const line = (code: string, subject = "", of: Record<string, unknown> = facts) => {
    const found = scriptLineOf({ code, subject }, of);
    return found ? `${found.what} ${found.line}` : null;
  };
  expect(line("LD505", "mse_loss")).toBe("loss train.py:31");
  expect(line("LD101")).toBeNull();
  expect(line("LD101", "", { loss_lines: "cross_entropy at train.py:29" })).toBe("loss train.py:29");
  expect(line("LD302")).toBe("clip train.py:33");
  expect(line("LD302", "", { step_line: "train.py:35" })).toBe("step train.py:35");
  expect(line("LD601")).toBe("step train.py:35");
  expect(line("LD701")).toBeNull();
  expect(line("LD101", "", {})).toBeNull();
});
