import { cleanup, fireEvent, render, screen } from "@testing-library/preact";
import { afterEach, expect, test } from "vitest";
import { svgOf } from "../src/charts/export";
import { paletteOf } from "../src/charts/palette";
import { lineThrough } from "../src/charts/series";
import { LinePlot } from "../src/parts/LinePlot";

afterEach(cleanup);

const LINES = ["training", "validation"].map((name, at) => lineThrough(name, [0, 10], [1, 2 + at]));

function plot(change: object = {}) {
  return <LinePlot lines={LINES} theme="light" label="Loss" about="run" extent={[0, 10]} {...change} />;
}

test("lines are named beside bars in their colours, by buttons", () => {
  const { container } = render(plot());
  const swatches = [...container.querySelectorAll<HTMLElement>(".line-names .term-swatch")];
  expect(new Set(swatches.map(({ style }) => style.background)).size).toBe(2);
  expect(screen.getAllByRole("button", { pressed: true }).map(({ textContent }) => textContent)).toEqual([
    "training",
    "validation",
  ]);
});

test("a line is left out and put back, and one always stays", () => {
  render(plot());
  const [first, second] = ["training", "validation"].map((name) => screen.getByRole("button", { name }));
  const pressed = () => [first, second].map((button) => button?.getAttribute("aria-pressed"));
  if (first) fireEvent.click(first);
  expect(pressed()).toEqual(["false", "true"]);
  if (second) fireEvent.click(second);
  expect(pressed()).toEqual(["false", "true"]);
  if (first) fireEvent.click(first);
  expect(pressed()).toEqual(["true", "true"]);
});

test("one line alone, and lines of a common legend, have no names above the chart", () => {
  expect(render(plot({ lines: LINES.slice(0, 1) })).container.querySelector(".line-names")).toBeNull();
  expect(render(plot({ legend: false })).container.querySelector(".line-names")).toBeNull();
});

test("a saved picture names its lines, in as many rows as they need", () => {
  const names = Array.from({ length: 60 }, (_, at) => ({ name: `{a|term} ${at}`, colour: "#1f6feb" }));
  const option = { grid: [{ top: 0 }], xAxis: {}, yAxis: {}, series: [] };
  const sheet = { option, palette: paletteOf("light"), height: 100, title: "t", extent: [0, 1], zoom: null };
  const svg = svgOf({ ...sheet, extent: [0, 1], names });
  expect(svg).toContain("{a|term} 59");
  const height = Number(/height="(\d+)"/.exec(svg)?.[1]);
  expect(height).toBeGreaterThan(100 + 34 + 3 * 18);
  expect(Number(/height="(\d+)"/.exec(svgOf({ ...sheet, extent: [0, 1] }))?.[1])).toBe(134);
});
