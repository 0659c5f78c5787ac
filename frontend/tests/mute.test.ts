import { afterEach, expect, test } from "vitest";
import { readMutes, writeMutes } from "../src/data/mutes";
import { factName } from "../src/text/facts";
import { suppressBlock } from "../src/views/findings/Mute";
import { makeFinding } from "./make";

afterEach(() => localStorage.clear());

test("the lines for the configuration name rule, run and subject literally", () => {
  const finding = makeFinding({ code: "LD301", subject: "encoder[0]" });
  expect(suppressBlock(finding, "run *", "run", 'it is "meant"')).toBe(
    [
      ...["[[suppress]]", 'code = "LD301"', 'run = "run [*]"', 'column = "encoder[[]0]"'],
      ...['reason = "it is \\"meant\\""', ""],
    ].join("\n"),
  );
  const evidence = ["a", "b"].map((column) => ({
    ...{
      quantity: "gradient_norm",
      column,
      first_step: 0,
      last_step: 1,
      observed: 1,
      threshold: 2,
      judged: null,
    },
  }));
  expect(suppressBlock({ ...finding, evidence }, "run", "run", "x")).not.toContain("column =");
  expect(suppressBlock(makeFinding(), "run", "all", "x")).not.toContain("run =");
});

test("mutes are kept with their reasons, older ones without", () => {
  localStorage.setItem("lossdiag.muted vae", "LD1:0\nLD2:5");
  expect([...readMutes("vae")]).toEqual([
    ["LD1:0", ""],
    ["LD2:5", ""],
  ]);
  writeMutes("vae", new Map([["LD2:5", "on purpose"]]));
  expect([...readMutes("vae")]).toEqual([["LD2:5", "on purpose"]]);
  localStorage.setItem("lossdiag.mutes vae", "{");
  expect([...readMutes("vae")]).toEqual([]);
});

test("a fact's name is told in words, and one that has none as it is", () => {
  const words = (part: string) => ({ learning_rate: "learning rate", highest: "top" })[part] ?? null;
  expect(factName("learning_rate[group 0], highest", words)).toBe("learning rate · group 0 · top");
  expect(factName("own: thing", words)).toBe("own: thing");
});
