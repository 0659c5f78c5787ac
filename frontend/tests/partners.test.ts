import { expect, test } from "vitest";
import type { Parting } from "../src/data/types";
import { aboutOf, factValue, partingFirst } from "../src/views/compare/compared";
import { partnersOf } from "../src/views/compare/partners";
import { makeRun } from "./make";

const healthy = { status: "healthy" as const };

test("a broken run is compared with a sound one set alike, the best one and the one before", () => {
  const sick = makeRun({ run: "lr=1_opt=adam_seed=0", last_walltime: 50 });
  const runs = [
    sick,
    makeRun({ ...healthy, run: "lr=0.1_opt=sgd_seed=1", loss: 0.1, last_walltime: 10 }),
    makeRun({ ...healthy, run: "lr=0.1_opt=adam_seed=0", loss: 0.2, last_walltime: 20 }),
    makeRun({ run: "lr=1_opt=sgd_seed=9", last_walltime: 40 }),
    makeRun({ run: "young", status: "reading", last_walltime: 49 }),
    makeRun({ run: "bad", problem: "unreadable", last_walltime: 49 }),
  ];
  expect(partnersOf(sick, runs).map(({ run, reason }) => [run.run, reason])).toEqual([
    ["lr=0.1_opt=adam_seed=0", "alike"],
    ["lr=0.1_opt=sgd_seed=1", "best"],
    ["lr=1_opt=sgd_seed=9", "before"],
  ]);
  expect(partnersOf(sick, [sick])).toEqual([]);
});

test("a fact is a setting, a level or a threshold", () => {
  expect(["optimizer", "loss, last quarter", "LD104.max_fall", "loss"].map(aboutOf)).toEqual([
    ...["settings", "levels", "rules", "settings"],
  ]);
});

test("measured numbers of a comparison are grouped, names made of digits are not", () => {
  const told = (name: string) => factValue(name, "106496", "en");
  const measured = ["parameters", "last step", "batch_size, usual", "loss, last quarter", "LD601.records"];
  expect(measured.map(told)).toEqual(measured.map(() => "106,496"));
  expect(["seed", "git_commit"].map(told)).toEqual(["106496", "106496"]);
  expect(factValue("parameters", "", "en")).toBe("–");
});

test("what parts first comes first, what never does is left out", () => {
  const curve = (quantity: string, parts_at: number | null): Parting => ({
    ...{ quantity, column: "", records: 9, first_difference: 0, parts_at },
    ...{ a: 1, b: 2, noise: 0, exact: true, columns: 1 },
  });
  const curves = [curve("loss", 40), curve("same", null), curve("learning_rate", 0)];
  expect(partingFirst(curves).map(({ quantity }) => quantity)).toEqual(["learning_rate", "loss"]);
});
