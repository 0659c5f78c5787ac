import { expect, test } from "vitest";
import { coloursOf } from "../src/views/compare/colours";
import { panelOf } from "../src/views/layers/LayerLine";
import { makeFinding } from "./make";

const LISTED = ["a", "b", "c", "d", "e", "f", "g", "h"];

test("compared runs have TensorBoard's colours, by their place in its list", () => {
  expect(coloursOf(["b", "a"], LISTED, "light")).toEqual(["#12b5cb", "#425066"]);
  expect(coloursOf(["a"], LISTED, "dark")).toEqual(["#8e98a3"]);
});

test("where TensorBoard would draw two runs alike, or knows none, ours tell them apart", () => {
  const [first, second] = coloursOf(["a", "h"], LISTED, "light");
  expect(first).toBe("#425066");
  expect(second).toBe("#b35900");
  expect(new Set(coloursOf(["x", "y", "z", "w"], [], "dark")).size).toBe(4);
});

test("a finding about a layer is marked in one of its panels", () => {
  const panels = ["gradient_norm", "update_ratio"];
  const about = (quantity: string) => makeFinding({ evidence: [makeEvidence(quantity)] });
  expect(panelOf(about("update_ratio"), panels)).toBe("update_ratio");
  expect(panelOf(about("gradient_nonfinite"), panels)).toBe("gradient_norm");
});

function makeEvidence(quantity: string) {
  const steps = { first_step: 0, last_step: 9 };
  return { quantity, column: "w", ...steps, observed: 1, threshold: 2, judged: null };
}
