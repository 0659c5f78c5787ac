import { expect, test } from "vitest";
import { decidingPoint, isFar, judgedLine, judgedOf, plainName } from "../src/views/findings/JudgedPlot";

const judged = {
  name: "share of `kl` in the loss",
  unit: "1",
  at: 20,
  steps: [10, 20, 30],
  values: [0.2, 0.97, 0.5],
};
const entry = {
  quantity: "loss_term",
  column: "kl",
  first_step: 10,
  last_step: 30,
  observed: 0.96,
  threshold: 0.95,
};

test("evidence without a derived series has none to draw", () => {
  expect(judgedOf([{ ...entry, judged: null }])).toEqual([]);
  expect(judgedOf([{ ...entry, judged }])).toEqual([[{ ...entry, judged }, judged]]);
});

test("the judged series is a line with its deciding point, under a plain name", () => {
  expect(judgedLine(judged)).toMatchObject({
    name: "share of kl in the loss",
    points: [
      [10, 0.2],
      [20, 0.97],
      [30, 0.5],
    ],
  });
  expect(decidingPoint(judged, "en")).toEqual([{ step: 20, value: 0.97, label: "0.97" }]);
  expect(plainName("norm of `a`")).toBe("norm of a");
});

test("a bound far from the values is seen on a logarithmic axis", () => {
  expect(isFar({ ...entry, judged }, judged)).toBe(false);
  expect(isFar({ ...entry, judged, threshold: 40 }, judged)).toBe(true);
  expect(isFar({ ...entry, judged, threshold: 40 }, { ...judged, values: [0, 1, 2] })).toBe(false);
  expect(isFar({ ...entry, judged, threshold: null }, judged)).toBe(false);
});
