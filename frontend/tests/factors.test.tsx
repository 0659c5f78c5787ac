/** What was set beside what came of it. */
import { cleanup, fireEvent, render, screen } from "@testing-library/preact";
import { afterEach, expect, test } from "vitest";
import type { RunSummary } from "../src/data/types";
import { settingsFirst } from "../src/views/compare/compared";
import { Factors } from "../src/views/compare/Factors";
import { factorsOf, measureOf, ranked, scaleOf } from "../src/views/compare/factors";
import { ManyFacts } from "../src/views/compare/ManyFacts";
import { makeDiagnosis, makeRun, makeRuns, makeSweep } from "./make";

afterEach(cleanup);

/** What was set is recorded, beside what says nothing. */
const sweep = (seeds = 5): RunSummary[] =>
  makeSweep(
    ({ rate, optimizer, seed, bad }) => ({
      run: `lr=${rate}_opt=${optimizer}_seed=${seed}`,
      loss: bad ? "NaN" : 0.1,
      settings: {
        optimizer,
        "learning_rate, highest": String(Number(rate)),
        "learning_rate, first": "0",
      },
    }),
    seeds,
  );

const factors = (runs: RunSummary[]) => factorsOf(ranked(runs, measureOf(runs)));

test("the setting that tells most comes first, two of them together before each alone, a seed last", () => {
  const found = factors(sweep());
  expect(found.map(({ names }) => names.join("+"))).toEqual(["lr+opt", "lr", "opt", "seed"]);
  const [both, rate, , seed] = found;
  expect(both?.explains).toBeCloseTo(1);
  expect(rate?.explains).toBeGreaterThan(0.5);
  expect(seed?.explains).toBe(0);
  expect(both?.values.map(({ words, runs }) => `${words}: ${runs.length} ${runs[0]?.level}`)).toEqual([
    ...["0.1 · adam: 5 good", "0.1 · sgd: 5 good", "1.0 · adam: 5 bad"],
    ...["1.0 · sgd: 5 good", "10.0 · adam: 5 bad", "10.0 · sgd: 5 bad"],
  ]);
  // The recorded rate is the name's, however it is written.
  expect(rate?.also).toEqual([]);
});

test("settings that always go together are told as one, many numbers in ranges, names of which each run has its own not at all", () => {
  const runs = Array.from({ length: 40 }, (_, at) =>
    makeRun({
      run: "a".repeat(at + 1),
      loss: at,
      settings: {
        decay: String(at / 10),
        dtype: at < 20 ? "a" : "b",
        amp: at < 20 ? "on" : "off",
        command: `x ${at}`,
      },
    }),
  );
  const found = factors(runs);
  const decay = found.find(({ names }) => names[0] === "decay");
  expect(decay?.values.map(({ words }) => words)).toEqual([
    ...["0 – 0.7", "0.8 – 1.5", "1.6 – 2.3", "2.4 – 3.1", "3.2 – 3.9"],
  ]);
  expect(decay?.values.map(({ runs: own }) => own.length)).toEqual([8, 8, 8, 8, 8]);
  expect(found.find(({ names }) => names[0] === "amp")?.also).toEqual(["dtype"]);
  expect(found.some(({ names }) => names[0] === "command")).toBe(false);
});

test("of few runs nothing is said to explain anything, and a validation loss counts where most have one", () => {
  const runs = ["1", "2", "3"].map((seed, at) =>
    makeRun({
      run: seed,
      settings: { seed },
      status: "healthy",
      loss: 3 - at,
      best_validation: at ? at : null,
    }),
  );
  expect(factors(runs).map(({ explains }) => explains)).toEqual([null]);
  expect(measureOf(runs)).toBe("best_validation");
  expect(measureOf(runs.map((run) => ({ ...run, best_validation: null })))).toBe("loss");
});

test("losses stand on one scale, logarithmic where they span much; NaN has no place on it", () => {
  const runs = [0.01, 1, 100].map((loss, at) => makeRun({ run: String(at), loss }));
  const scale = scaleOf(ranked([...runs, makeRun({ run: "nan", loss: "NaN" })], "loss"));
  expect([scale?.least, scale?.most, scale?.log]).toEqual([0.01, 100, true]);
  expect(scale?.at(1)).toBeCloseTo(0.5);
  expect(scaleOf(ranked([makeRun({ loss: "NaN" })], "loss"))).toBe(null);
});

test("what was tried out comes before other facts", () => {
  const rows: [string, number][] = [
    ["git_commit", 1],
    ["weight_decay, usual", 2],
    ["learning_rate[a], highest", 3],
  ];
  expect(settingsFirst(rows).map(([, row]) => row)).toEqual([3, 2, 1]);
});

test("each value says how its runs are, by glyph and word, and leads to the best of them", () => {
  const runs = sweep();
  const place = {};
  const props = {
    runs: makeRuns({ runs }),
    run: runs[0],
    chosen: [],
    place,
    go: (change: object) => Object.assign(place, change),
  };
  // biome-ignore lint/suspicious/noExplicitAny: the rest of a view's properties is not looked at
  const { container } = render(<Factors {...(props as any)} />);
  expect(
    screen.getByText("30 judged runs, by state and by last loss. What goes together need not be the cause."),
  ).toBeTruthy();
  const row = screen.getByRole("row", { name: /^1.0 · sgd/ });
  expect(row.textContent).toContain("Nothing found 5");
  fireEvent.click(row.querySelector("a") as Element);
  expect(place).toMatchObject({ run: "lr=1.0_opt=sgd_seed=0", view: "overview" });
  expect(container.querySelectorAll(".factor")).toHaveLength(4);
  const broken = screen.getByRole("row", { name: /^10.0 · adam/ });
  expect(broken.querySelector(".strip-bad")?.getAttribute("d")).toMatch(/^M194\.0 9/);
});

test("of several runs what came of them comes first, the best marked, then what differs; the same is folded", () => {
  const chosen = [
    makeRun({ run: "a", loss: 3, best_validation: 2, settings: { "learning_rate, highest": "0.1" } }),
    makeRun({ run: "b", loss: "NaN", best_validation: 1, settings: { "learning_rate, highest": "10" } }),
    makeRun({ run: "c", loss: 4, best_validation: 3, settings: { "learning_rate, highest": "0.1" } }),
  ];
  const facts = (at: number) => ({
    optimizer: at === 1 ? "Adam" : "SGD",
    weights: "float32",
    git_commit: `c${at}`,
  });
  const diagnoses = chosen.map((run, at) => makeDiagnosis({ run: run.run, facts: facts(at) }));
  const { container } = render(<ManyFacts {...{ chosen, diagnoses }} />);
  expect([...container.querySelectorAll("td.best")].map(({ textContent }) => textContent)).toEqual([
    "1 ✓ best",
    "3 ✓ best",
  ]);
  const rows = [...container.querySelectorAll("table")]
    .slice(1)
    .flatMap((table) => [...table.querySelectorAll("tbody th")]);
  expect(rows.map(({ textContent }) => textContent)).toEqual([
    "learning rate · highest",
    "optimizer",
    "git commit",
  ]);
  const [rate] = [...container.querySelectorAll("table")][1]?.querySelectorAll("tbody tr") ?? [];
  expect([...(rate?.querySelectorAll("td") ?? [])].map((cell) => cell.className)).toEqual(["", "other", ""]);
  expect(screen.getByText("The same in all (1)")).toBeTruthy();
});
