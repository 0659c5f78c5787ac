import { expect, test } from "vitest";
import { describeLines, sayStep } from "../src/charts/describe";
import { fileName, rowsOfLines, svgOf } from "../src/charts/export";
import { paletteOf } from "../src/charts/palette";
import { lineOf } from "../src/charts/series";
import { columnAt, Flag } from "../src/data/table";
import { pause } from "../src/host/live";
import { translate } from "../src/i18n";
import { csv } from "../src/text/csv";
import { sectionsOf } from "../src/text/sections";
import { visible } from "../src/text/visible";
import { marked } from "../src/text/words";
import { acrossRuns, differing, worstFirst } from "../src/views/compare/compared";
import { cosinesOf } from "../src/views/terms/Conflict";
import { makeDiagnosis, makeFinding, makeTable } from "./make";

const FORMAT = { value: String, step: String, place: (step: number) => `step ${step}` };
const t = translate.bind(null, "en") as Parameters<typeof describeLines>[2];

test("CSV cells are quoted and never formulas", () => {
  expect(csv([["a,b", 'say "x"', "=1+1", "\t@x", -1.5, null]])).toBe(
    '"a,b","say ""x""",\'=1+1,\\t@x,-1.5,\r\n',
  );
});

test("what nobody sees is spelled out, but for what is meant", () => {
  expect(visible("\x1b[2J\u202egone\x9b\x00\uffff\ud800")).toBe(
    "\\x1b[2J\\u202egone\\x9b\\x00\\uffff\\ud800",
  );
  expect(visible("a\n\tb\r", "\n\t")).toBe("a\n\tb\\r");
  expect(visible("层 é 👩\u200d🔬")).toBe("层 é 👩\u200d🔬");
  expect(csv([["a\nb\x1b", "\u202e"]])).toBe("a\\nb\\x1b,\\u202e\r\n");
});

test("an SVG holds no character that XML has none for", () => {
  const palette = paletteOf("light");
  const option = { grid: [{ top: 0 }], xAxis: {}, yAxis: {}, series: [] };
  const range: [number, number] = [0, 1];
  const svg = svgOf({
    option,
    palette,
    height: 100,
    title: "\x1b[2J<b>\x00\uffff",
    extent: range,
    zoom: null,
  });
  expect(svg).toContain("\\x1b[2J&lt;b&gt;\\x00\\uffff");
});

test("a line's CSV has what its points stand for", () => {
  const table = makeTable([[1, 2, 3]]);
  table.max[1] = 50;
  table.flags[2] = Flag.nan;
  table.last[2] = NaN;
  expect(rowsOfLines("run", [lineOf("a", columnAt(table, 0))]).slice(1)).toEqual([
    ["run", "a", 0, 1, 1, 1],
    ["run", "a", 10, 2, 2, 50],
    ["run", "a", 20, "NaN/Inf", null, null],
  ]);
});

test("file names hold nothing a file system minds", () => {
  expect(fileName("../run <b>", "loss: 层")).toBe("-run-b-_loss-层");
  expect(fileName("\x1b[2J\u202e", "...")).toBe("-2J-_...");
  expect(fileName("\x1b", "")).toBe("loss-doctor");
  expect(fileName("𝒜".repeat(80))).toBe("𝒜".repeat(60));
});

test("a chart is told in words, with its extremes and what is not finite", () => {
  const table = makeTable([[3, 1, 2]]);
  table.max[1] = 90;
  table.peakStep[1] = 13;
  table.flags[2] = Flag.nan;
  table.last[2] = NaN;
  table.max[2] = NaN;
  const lines = [lineOf("loss", columnAt(table, 0))];
  const text = describeLines(lines, FORMAT, t, "en");
  expect(text).toContain("largest 90 at step 13");
  expect(text).toContain("Not finite at step 20");
  expect(sayStep(lines, 20, FORMAT, t)).toBe("Step 20: loss: NaN/Inf");
  expect(sayStep(lines, 10, FORMAT, t)).toBe("Step 10: loss: 1");
});

test("documentation falls into its parts in both languages", () => {
  const english =
    "Summary.\n\nWhy it matters: because.\n\nHow it decides: by\nlooking.\n\nGuards against: noise.";
  expect(sectionsOf(english)).toEqual({ why: "Because.", how: "By\nlooking.", guards: "Noise." });
  expect(sectionsOf("概要。\n\n为什么重要：因为。\n\n如何判断：看。")).toEqual({
    why: "因为。",
    how: "看。",
    guards: "",
  });
});

test("failures slow the polling down, waiting runs quicken it, a paused page asks nothing", () => {
  expect(pause({ waiting: false, failures: 0, live: true })).toBe(5000);
  expect(pause({ waiting: false, failures: 2, live: true })).toBe(20_000);
  expect(pause({ waiting: false, failures: 30, live: true })).toBe(60_000);
  expect(pause({ waiting: true, failures: 0, live: true })).toBeLessThan(1000);
  expect(pause({ waiting: false, failures: 0, live: false })).toBeNull();
});

const held = (found: readonly unknown[]) => found.map((each, at) => (each ? "AB"[at] : "")).join("");

test("findings are compared by rule and subject", () => {
  const a = makeDiagnosis({ findings: [makeFinding(), makeFinding({ code: "LD301", subject: "x" })] });
  const b = makeDiagnosis({ findings: [makeFinding(), makeFinding({ code: "LD301", subject: "y" })] });
  const rows = acrossRuns([a, b]);
  expect(rows.map((row) => [row.code, row.subject, held(row.found)])).toEqual([
    ["LD101", "", "AB"],
    ["LD301", "x", "A"],
    ["LD301", "y", "B"],
  ]);
});

test("a cause of one run that is a symptom in another is in both", () => {
  const symptom = makeFinding({ code: "LD102" });
  const a = makeDiagnosis({ findings: [symptom] });
  const b = makeDiagnosis({ findings: [makeFinding({ code: "LD601", explains: [symptom] })] });
  expect(acrossRuns([a, b]).map((row) => [row.code, held(row.found)])).toEqual([
    ["LD102", "AB"],
    ["LD601", "B"],
  ]);
});

test("what came and went is told worst first", () => {
  const [note, error, warning, second] = (["info", "error", "warning", "error"] as const).map(
    (severity, at) => ({ at, finding: makeFinding({ severity }) }),
  );
  const told = worstFirst([note, error, warning, second].filter((each) => each !== undefined));
  expect(told.map(({ at }) => at)).toEqual([1, 3, 2, 0]);
});

test("only facts that differ are shown, missing ones as missing", () => {
  expect(
    differing([
      { a: 1, b: "x", c: "y" },
      { a: 1, b: "z" },
    ]),
  ).toEqual([
    ["b", ["x", "z"]],
    ["c", ["y", "–"]],
  ]);
});

test("cosines are found in either order, as medians", () => {
  const cosines = cosinesOf(makeTable([[-0.9, -0.5, -0.7]], ["recon × kl"]));
  expect(cosines.terms).toEqual(["recon", "kl"]);
  expect(cosines.of("kl", "recon")?.value).toBeCloseTo(-0.7);
  expect(cosines.of("kl", "kl")).toBeNull();
});

test("calls and arguments in what would have to be recorded are code, once", () => {
  expect(
    marked("writer.watch(model, optimizer) with check_up=True, or `with writer.check_up():` around forward"),
  ).toBe(
    "`writer.watch(model, optimizer)` with `check_up=True`, or `with writer.check_up():` around forward",
  );
  expect(marked('pass loss_terms= to add_diagnostics; writer.add_scalar("a/b", …)')).toBe(
    'pass `loss_terms=` to `add_diagnostics`; `writer.add_scalar("a/b", …)`',
  );
  expect(marked("at least 30 records of a loss, there are 3")).toBe(
    "at least 30 records of a loss, there are 3",
  );
});
