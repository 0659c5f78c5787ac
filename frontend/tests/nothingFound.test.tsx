import { render } from "@testing-library/preact";
import { expect, test } from "vitest";
import type { Status } from "../src/data/types";
import { NothingFound } from "../src/parts/NothingFound";
import { Outcomes } from "../src/views/findings/Outcomes";
import { makeDiagnosis } from "./make";

const said = (status: Status) =>
  render(<NothingFound diagnosis={makeDiagnosis({ status, findings: [] })} steps={[0, 9]} />).container
    .textContent;

test("a run without findings says how far that carries", () => {
  expect(said("healthy")).not.toContain("proof");
  expect(said("nothing found")).toContain("no proof of health");
  expect(said("too early")).toContain("Too few records");
  expect(said("too little recorded")).toContain("add_diagnostics(loss=…)");
});

test("what would unlock checks stands above those that were not evaluated", () => {
  const { outcomes, unlocks } = makeDiagnosis();
  const { container } = render(<Outcomes outcomes={outcomes} unlocks={unlocks} rules={new Map()} />);
  expect(container.textContent).toContain("For one of them: pass loss_terms= to add_diagnostics");
});

test("checks of what a run has not are counted apart", () => {
  const outcomes = makeDiagnosis().outcomes.map((one) => ({
    ...one,
    absent: one.outcome === "not evaluated",
  }));
  const { container } = render(<Outcomes outcomes={outcomes} unlocks={[]} rules={new Map()} />);
  expect(container.textContent).toContain("nothing of their kind here (1)");
  expect(container.textContent).not.toContain("Not evaluated");
});

test("rules of rewards are ours and stand in a family of their own", () => {
  const outcomes = makeDiagnosis().outcomes.map((one) => ({ ...one, code: "LDR13" }));
  const { container } = render(<Outcomes outcomes={outcomes} unlocks={[]} rules={new Map()} />);
  expect(container.textContent).toContain("Reinforcement and preference tuning");
  expect(container.textContent).not.toContain("From other packages");
});
