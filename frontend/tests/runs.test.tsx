import { cleanup, fireEvent, render, screen, within } from "@testing-library/preact";
import { afterEach, expect, test } from "vitest";
import type { RunSummary } from "../src/data/types";
import { RunsTable } from "../src/views/runs/RunsTable";
import { type ColumnName, sortedRuns, WORST_FIRST } from "../src/views/runs/runOrder";
import { makeRun, makeRuns } from "./make";

afterEach(cleanup);

const counts = (error: number, warning: number, info: number) => ({ error, warning, info });
const RUNS: RunSummary[] = [
  makeRun({ run: "run10", status: "healthy", counts: counts(0, 0, 0), loss: 0.5, steps: 10 }),
  makeRun({ run: "run9", status: "healthy", counts: counts(0, 0, 1), loss: null, steps: 30 }),
  makeRun({ run: "young", status: "too early", counts: counts(0, 0, 0), loss: 9, outcomes: {} }),
  makeRun({ run: "reading", status: "reading", counts: counts(0, 0, 0), loss: null, outcomes: {} }),
  makeRun({ run: "worse", status: "broken", counts: counts(2, 0, 0), loss: "NaN" }),
  makeRun({ run: "bad b", status: "broken", counts: counts(1, 3, 0), loss: 2 }),
  makeRun({ run: "bad a", status: "broken", counts: counts(1, 3, 0), loss: 2 }),
  makeRun({ run: "so so", status: "warning", counts: counts(0, 9, 0), loss: 1 }),
];
const names = (by: ColumnName, down: boolean) => sortedRuns(RUNS, { by, down }).map(({ run }) => run);

test("the worst run comes first: by state, then by findings, then by name", () => {
  expect(sortedRuns(RUNS, WORST_FIRST).map(({ run }) => run)).toEqual([
    ...["worse", "bad a", "bad b", "so so", "young", "run9", "run10", "reading"],
  ]);
});

test("numbers in names count as numbers", () => {
  expect(names("run", false).filter((name) => name.startsWith("run"))).toEqual(["run9", "run10"]);
});

test("NaN is the largest loss, and no loss comes last both ways", () => {
  expect(names("loss", true)).toEqual([
    ...["worse", "young", "bad a", "bad b", "so so", "run10", "reading", "run9"],
  ]);
  expect(names("loss", false).slice(-3)).toEqual(["worse", "reading", "run9"]);
});

test("a heading sorts, says so, and sorts the other way when used again", () => {
  const runs = makeRuns({ runs: RUNS, without_data: ["nothing"] });
  render(<RunsTable runs={runs} selected="worse" place={{}} go={() => undefined} />);
  const head = (name: RegExp) => screen.getByRole("columnheader", { name });
  const first = () => screen.getAllByRole("rowheader").map((cell) => within(cell).queryByRole("link"));
  expect(head(/State/).getAttribute("aria-sort")).toBe("descending");
  expect(first()[0]?.textContent).toBe("worse");
  fireEvent.click(within(head(/Steps/)).getByRole("button"));
  expect([head(/State/), head(/Steps/)].map((cell) => cell.getAttribute("aria-sort"))).toEqual([
    ...["none", "descending"],
  ]);
  fireEvent.click(within(head(/Steps/)).getByRole("button"));
  expect(head(/Steps/).getAttribute("aria-sort")).toBe("ascending");
  expect(first()[0]?.textContent).toBe("run10");
  expect(screen.getByText("nothing", { selector: "strong" })).toBeTruthy();
});
