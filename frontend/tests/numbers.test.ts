import { expect, test } from "vitest";
import { formatInteger, formatPercent, formatSteps, formatValue } from "../src/text/numbers";

test.each([
  [0, "0"],
  [-0, "0"],
  [1.3249, "1.32"],
  [0.0123456, "0.0123"],
  [0.000032, "3.2e-5"],
  [-0.000032, "-3.2e-5"],
  [1e-30, "1e-30"],
  [123456.7, "1.23e5"],
  [1234.56, "1,235"],
  [12345, "12,345"],
  [NaN, "NaN"],
  [Number.POSITIVE_INFINITY, "Inf"],
  [Number.NEGATIVE_INFINITY, "-Inf"],
])("value %d is written %s", (value, text) => {
  expect(formatValue(value)).toBe(text);
});

test("missing values have a sign of their own", () => {
  expect([formatValue(null), formatInteger(null), formatPercent(null), formatSteps(null, 3)]).toEqual([
    "–",
    "–",
    "–",
    "–",
  ]);
});

test("steps are never shortened, in Chinese neither", () => {
  expect(formatInteger(120000, "zh-CN")).toBe("120,000");
  expect(formatSteps(500, 12000)).toBe("500 – 12,000");
  expect(formatSteps(7, 7)).toBe("7");
});

test("a share that is not zero is not shown as zero", () => {
  expect(formatPercent(0.834)).toBe("83 %");
  expect(formatPercent(0.0031)).toBe("0.3 %");
  expect(formatPercent(0.0000031)).toBe("3.1e-4 %");
  expect(formatPercent(1e-30)).toBe("<1e-8 %");
  expect(formatPercent(0)).toBe("0 %");
});
