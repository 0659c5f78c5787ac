import { cleanup, fireEvent, render, screen } from "@testing-library/preact";
import { afterEach, expect, test } from "vitest";
import { Flag } from "../src/data/table";
import { barOf, type Domain, limitsOf, placeByKey, withEnd } from "../src/heat/colourRange";
import { ABOVE, codeOf, codeRows, columnSpans, FAR_ABOVE, mergeColumns } from "../src/heat/grid";
import { Legend } from "../src/heat/Legend";
import { lutOf } from "../src/heat/lut";
import { paint } from "../src/heat/painter";
import { useColourRange } from "../src/heat/useColourRange";
import { makeTable } from "./make";

const FOUND: Domain = [0.1, 10];

afterEach(cleanup);

test("beyond a chosen range the end's colour is taken, but what is far above the usual keeps its look", () => {
  expect(codeOf(0.5, [1, 2], 30)).toBe(0);
  expect(codeOf(5, [1, 2], 30)).toBe(ABOVE - 1);
  expect(codeOf(31, [1, 2], 30)).toBe(FAR_ABOVE);
});

test("a chosen range changes no look of what is not a number on it", () => {
  const table = makeTable([[1], [0], [NaN], [Number.POSITIVE_INFINITY], [1]]);
  table.flags[4] = Flag.nan;
  const rows = [[1], [2], [3], [4]];
  const painted = (domain: Domain, far?: number) => {
    const grid = mergeColumns(codeRows(table, rows, 8, domain, far), columnSpans(table.firstStep, 0, 10, 8));
    return paint(grid, 8, { lut: lutOf("viridis"), page: 0xffffffff });
  };
  expect(painted([5, 6], 30)).toEqual(painted(FOUND));
});

test("many values above a chosen range are painted over their own pixels only", () => {
  const table = makeTable([[1, 5, 1, 1, 5, 1]]);
  const grid = codeRows(table, [[0]], 3, [0.5, 2], 30);
  const pixels = paint(mergeColumns(grid, columnSpans(table.firstStep, 0, 60, 6)), 3, {
    lut: lutOf("grey"),
    page: 0,
  });
  expect([...pixels.slice(0, 6)].map((pixel) => pixel === lutOf("grey")[255])).toEqual([
    ...[false, true, false, false, true, false],
  ]);
});

test("the bar reaches as far as the data, and gives the usual values most of its room", () => {
  const limits = limitsOf(Float32Array.of(0, NaN, 1e-3, 5, 1e6, Number.POSITIVE_INFINITY), FOUND);
  expect(limits[0]).toBeCloseTo(1e-3);
  expect(limits[1]).toBe(1e6);
  const bar = barOf(FOUND, limits);
  expect(bar.placeOf(10) - bar.placeOf(0.1)).toBeCloseTo(0.7);
  for (const value of [0.002, 0.3, 9, 4e5]) expect(bar.valueAt(bar.placeOf(value)) / value).toBeCloseTo(1);
  expect([bar.valueAt(0) / 1e-3, bar.valueAt(1) / 1e6].map((ratio) => ratio.toFixed(4))).toEqual([
    "1.0000",
    "1.0000",
  ]);
});

test("the ends stay inside the data and do not pass each other", () => {
  expect(withEnd([1, 10], "low", 50, [0.1, 100])[0]).toBeCloseTo(10 / 1.1);
  expect(withEnd([1, 10], "high", 0.5, [0.1, 100])[1]).toBeCloseTo(1.1);
  expect(withEnd([1, 10], "high", 1e9, [0.1, 100])).toEqual([1, 100]);
});

test("arrow keys move an end a little, page keys more, Home and End all the way", () => {
  expect(placeByKey("ArrowRight", 0.5)).toBeCloseTo(0.52);
  expect(placeByKey("PageDown", 0.5)).toBeCloseTo(0.4);
  expect([placeByKey("Home", 0.5), placeByKey("End", 0.5)]).toEqual([0, 1]);
  expect(placeByKey("a", 0.5)).toBeNull();
});

function Shown({ of, found }: { of: string; found: Domain }) {
  const range = useColourRange(of, found, [Float32Array.of(0.01, 1000)]);
  return <Legend range={range} unit="L2 norm" colours="viridis" />;
}

const lower = () => screen.getByRole("slider", { name: /lower end/ });

test("a range chosen by keyboard is told, outlives new data, and ends with the quantity", () => {
  const { rerender, container } = render(<Shown of="gradient_norm absolute" found={[0.1, 10]} />);
  expect(lower().getAttribute("aria-valuetext")).toBe("0.1 L2 norm");
  fireEvent.keyDown(lower(), { key: "PageUp" });
  const chosen = lower().getAttribute("aria-valuetext");
  expect(chosen).not.toBe("0.1 L2 norm");
  expect(container.textContent).toContain("values beyond it take the colour of its end");
  rerender(<Shown of="gradient_norm absolute" found={[0.2, 20]} />);
  expect(lower().getAttribute("aria-valuetext")).toBe(chosen);
  rerender(<Shown of="gradient_norm median" found={[0.1, 10]} />);
  expect(lower().getAttribute("aria-valuetext")).toBe("0.1 L2 norm");
  rerender(<Shown of="gradient_norm absolute" found={[0.1, 10]} />);
  expect(lower().getAttribute("aria-valuetext")).toBe("0.1 L2 norm");
});

test("a chosen range can be given back", () => {
  render(<Shown of="gradient_norm absolute" found={[0.1, 10]} />);
  fireEvent.keyDown(lower(), { key: "End" });
  expect(Number(lower().getAttribute("aria-valuenow"))).toBeCloseTo(Math.log10(10 / 1.1), 2);
  fireEvent.click(screen.getByRole("button", { name: "Range of the data" }));
  expect(lower().getAttribute("aria-valuetext")).toBe("0.1 L2 norm");
});
