/** Hundreds of runs: found, grouped, told apart, and only those in view made. */
import { cleanup, fireEvent, render, screen } from "@testing-library/preact";
import { afterEach, expect, test } from "vitest";
import type { RunSummary, Severity } from "../src/data/types";
import type { Place } from "../src/host/hash";
import { Features, nameParts, shared } from "../src/views/runs/features";
import { bestOf, grouped, leading } from "../src/views/runs/groups";
import { brokenFrom, curvePath } from "../src/views/runs/RunSpark";
import { RunsTable } from "../src/views/runs/RunsTable";
import { causesIn, listed, patternOf, wantedOf } from "../src/views/runs/runFilter";
import { inView } from "../src/views/runs/window";
import { makeRun, makeRuns, makeSweep } from "./make";

afterEach(cleanup);

const cause = (code: string, severity: Severity, first_step = 0) => ({
  ...{ code, title: `title of ${code}`, severity, first_step },
});

/** Each with its causes and its time. */
const sweep = (seeds = 5): RunSummary[] =>
  makeSweep(
    ({ rate, optimizer, seed, bad, index }) => ({
      run: `sweep/lr=${rate}_opt=${optimizer}_seed=${seed}`,
      causes: bad ? [cause("LD601", "error", seed), cause("LD602", "info")] : [],
      counts: { error: bad ? 1 : 0, warning: 0, info: 0 },
      loss: bad ? "NaN" : Number(rate) + seed,
      last_walltime: 1000 + index,
      settings: { optimizer },
    }),
    seeds,
  );

test("a name's parts are what was set", () => {
  expect(nameParts("sweep/lr=1e-3_weight_decay=0.1-seed=3")).toEqual([
    ...["sweep", "lr=1e-3", "weight_decay=0.1", "seed=3"],
  ]);
  expect(nameParts("resnet18_adam_lr0.1")).toEqual(["resnet=18", "adam", "lr=0.1"]);
});

test("what tells a group from the others is found: one setting, and two together", () => {
  const runs = sweep();
  const bad = runs.filter(({ status }) => status === "broken");
  expect(new Features(runs).traits(bad)).toEqual([
    { features: ["lr=10.0"], here: 10, all: 10 },
    { features: ["lr=1.0", "opt=adam"], here: 5, all: 5 },
  ]);
  expect(new Features(runs).traits(runs)).toEqual([]);
  expect(new Features(runs).traits(runs.slice(0, 2))).toEqual([]);
});

test("runs are grouped by the cause that leads, with its newest run, its worst and its best", () => {
  const runs = sweep();
  const [bad, good] = grouped(runs, "cause");
  expect([bad?.key, bad?.runs.length, bad?.since]).toEqual(["LD601", 15, [0, 4]]);
  expect(bad?.runs[0]?.run).toBe("sweep/lr=10.0_opt=adam_seed=4");
  expect(bad?.worst?.status).toBe("broken");
  expect([good?.cause, good?.best?.run]).toEqual([null, "sweep/lr=0.1_opt=sgd_seed=0"]);
  expect(grouped(runs, "folder").map(({ key }) => key)).toEqual(["sweep"]);
});

test("a note leads no group, and a run that is being read is in the last one", () => {
  const note = makeRun({ run: "a", status: "healthy", causes: [cause("LD602", "info")] });
  expect(leading(note)).toBe(null);
  const runs = [makeRun({ run: "b", status: "reading" }), note, ...sweep()];
  expect(grouped(runs, "cause").map(({ key }) => key)).toEqual(["LD601", "healthy", "reading"]);
});

test("runs that are being read say nothing of what others have in common", () => {
  const unread = sweep(9).map((run) => ({ ...run, status: "reading" as const, causes: [], settings: {} }));
  const [bad] = grouped([...sweep(), ...unread.slice(10)], "cause");
  expect(bad?.traits[0]).toEqual({ features: ["lr=10.0"], here: 10, all: 10 });
});

test("what was recorded of a group is told in words", () => {
  const runs = sweep().map((run, at) => ({
    ...run,
    run: `run ${String.fromCharCode(97 + at)}`,
    settings: { "learning_rate[group 0], highest": run.status === "broken" ? "10" : "0.1" },
  }));
  const place: Place = { group: "cause" };
  render(<RunsTable runs={makeRuns({ runs })} selected="" place={place} go={() => {}} />);
  expect(screen.getByText(/^every learning rate · group 0 · highest 10 \(15\)$/)).toBeTruthy();
});

test("the best run is healthy and has the lowest loss that is a number", () => {
  expect(bestOf(sweep())?.run).toBe("sweep/lr=0.1_opt=sgd_seed=0");
  expect(bestOf([makeRun({ status: "healthy", loss: "NaN" }), makeRun({ loss: 0 })])).toBe(undefined);
});

test("runs are found by words, by an expression, by state and by cause", () => {
  const runs = sweep();
  const count = (place: Place) => listed(runs, wantedOf(place)).length;
  expect(count({ q: "adam lr=1.0" })).toBe(5);
  expect(count({ q: "/lr=10?\\.0_opt=sgd/" })).toBe(10);
  expect(count({ q: "/ADAM_SEED=0/i" })).toBe(3);
  expect(count({ q: "/(/" })).toBe(runs.length);
  expect(count({ state: "healthy" })).toBe(15);
  expect(count({ cause: "LD602" })).toBe(15);
  expect(count({ folder: "other" })).toBe(0);
  expect([patternOf("plain"), patternOf("/(/")]).toEqual([undefined, null]);
  expect(causesIn(runs).map(({ code, count: many }) => [code, many])).toEqual([
    ["LD601", 15],
    ["LD602", 15],
  ]);
});

test("two runs share what was set alike", () => {
  const [a, b] = sweep();
  if (!a || !b) throw new Error("a sweep has runs");
  expect(shared(a, b)).toBe(4);
});

test("only rows in view are made, and the rest keeps its room", () => {
  const heights = Array.from({ length: 1000 }, () => 30);
  const { first, end, above, below } = inView(heights, 15_000, 600);
  expect([first, end]).toEqual([488, 532]);
  expect(above + below + 30 * (end - first)).toBe(30_000);
  expect(inView([], 0, 600)).toEqual({ first: 0, end: 0, above: 0, below: 0 });
  expect(inView([30], 9999, 600)).toMatchObject({ first: 0, end: 1 });
});

test("a curve is a path with gaps, and an end that is no number is marked", () => {
  expect(curvePath("z-0")).toBe("M2.0 2.0M70.0 16.0");
  expect(brokenFrom("zz--")).toBeCloseTo(2 + 2 * (68 / 3));
  expect(brokenFrom("z--z")).toBe(null);
});

function show(runs: RunSummary[], place: Place = {}) {
  const asked: Place[] = [];
  render(
    <RunsTable runs={makeRuns({ runs })} selected="" place={place} go={(change) => asked.push(change)} />,
  );
  return asked;
}

test("a group that has nothing in common names its runs", () => {
  const causes = [cause("LD601", "warning")];
  show([makeRun({ run: "first", causes }), makeRun({ run: "second", causes })], { group: "cause" });
  expect(screen.getByText("first · second").className).toContain("group-traits");
});

test("many runs are grouped by cause, one click shows a group's runs", () => {
  show(sweep(40));
  expect(screen.getAllByRole("rowheader")).toHaveLength(2);
  expect(screen.getByText(/every lr=10.0 \(80\)/)).toBeTruthy();
  const group = screen.getByRole("button", { name: /LD601/ });
  expect(group.getAttribute("aria-expanded")).toBe("false");
  fireEvent.click(group);
  expect(group.getAttribute("aria-expanded")).toBe("true");
  const links = screen.getAllByRole("link", { name: /^sweep\/lr/ });
  expect(links.length).toBeGreaterThan(5);
  expect(links.length).toBeLessThan(60);
  expect(screen.getByRole("table").getAttribute("aria-rowcount")).toBe("123");
});

test("how many are judged is said while some are not", () => {
  const runs = sweep(1).map((run, at) => (at < 2 ? { ...run, status: "reading" as const } : run));
  show(runs);
  expect(screen.getByText(/4 of 6 judged/)).toBeTruthy();
  expect(screen.queryByText("0■")).toBe(null);
});

test("a state's count lists only its runs, and again all of them", () => {
  const asked = show(sweep(1), { state: "healthy" });
  fireEvent.click(screen.getByRole("button", { name: /Broken 3/ }));
  fireEvent.click(screen.getByRole("button", { name: /Healthy 3/ }));
  expect(asked).toEqual([{ state: "broken" }, { state: "" }]);
  expect(screen.getByText("3 of 6 runs")).toBeTruthy();
});

test("runs that are not judged are named with the reason", () => {
  const left_out = [
    { run: "acc", tags: ["accuracy"], more: 2, perhaps: "my/cost", no_descent: "" },
    { run: "gan", tags: ["loss_d"], more: 0, perhaps: "", no_descent: "loss_g" },
  ];
  render(
    <RunsTable
      runs={makeRuns({ left_out, without_data: ["words"] })}
      selected=""
      place={{}}
      go={() => undefined}
    />,
  );
  expect(screen.getByText("Not judged (3)")).toBeTruthy();
  expect(screen.getByText(/it has accuracy and 2 more/)).toBeTruthy();
  expect(screen.getByText(/--map loss=my\/cost/)).toBeTruthy();
  expect(screen.getByText(/beside loss_g/)).toBeTruthy();
});
