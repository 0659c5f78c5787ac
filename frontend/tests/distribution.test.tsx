import { cleanup, fireEvent, render, screen } from "@testing-library/preact";
import { afterEach, expect, test } from "vitest";
import { Flag } from "../src/data/table";
import { barAt, distributionAt, edgesOf } from "../src/heat/distribution";
import { Distribution } from "../src/views/layers/Distribution";
import { makeMatrix } from "./make";

afterEach(cleanup);

test("edges hold all values and stay few, however far apart the values are", () => {
  for (const limits of [
    [0.09, 11],
    [1, 10],
    [1e-38, 3e38],
    [1, 1.0001],
  ] as const) {
    const edges = edgesOf(limits);
    expect(edges[0]).toBeLessThanOrEqual(limits[0] * 1.0001);
    expect(edges.at(-1)).toBeGreaterThanOrEqual(limits[1]);
    expect(edges.length).toBeLessThanOrEqual(30);
    expect(edges.length).toBeGreaterThan(1);
  }
});

test("every layer is counted once: on its bar, or among what has none", () => {
  const matrix = makeMatrix([[1], [1.1], [9], [0], [NaN], [Number.POSITIVE_INFINITY], [3]]);
  matrix.flags[6] = Flag.nan;
  const data = distributionAt(matrix, 0, [1, 10]);
  expect(data.apart).toEqual({ nan: 1, inf: 1, zero: 1, absent: 1 });
  expect(data.counts.reduce((sum, count) => sum + count, 0)).toBe(3);
  expect(data.counts[barAt(data.edges, 1)]).toBe(2);
  expect(data.counts[barAt(data.edges, 9)]).toBe(1);
  expect(data.median).toBeCloseTo(1.1);
});

const NAMES = ["a", "b", "<b>c</b>", "d"];

function show(step: number | undefined, layer = "<b>c</b>") {
  const whole = makeMatrix(
    [
      [1, 2],
      [10, 20],
      [100, 200],
      [0, 0],
    ],
    NAMES,
  );
  const given = {
    whole,
    fine: undefined,
    limits: [1, 200] as const,
    layer,
    stat: "gradient norm",
    unit: "L2",
  };
  return render(<Distribution {...given} step={step} />);
}

test("the bars are told in words: at which steps, the median, and where the picked layer lies", () => {
  const { container } = show(3);
  expect(screen.getByRole("img", { name: "Over all layers: gradient norm, step 0" })).toBeTruthy();
  expect(container.textContent).toContain("smallest 1 L2, median 10 L2, largest 100 L2");
  expect(container.textContent).toContain("<b>c</b>: 100 L2, larger than 2 of 2 others");
  expect(container.textContent).toContain("Without a bar: exactly 0: 1");
  expect(container.querySelectorAll(".bars i")).toHaveLength(2);
});

test("without a cursor the newest step is shown", () => {
  show(undefined);
  expect(screen.getByRole("img", { name: /step 10$/ })).toBeTruthy();
});

test("a layer without a place among the bars says what it is instead", () => {
  const { container } = show(3, "d");
  expect(container.textContent).toContain("d: exactly 0.");
  expect(container.querySelector(".mark-own")).toBeNull();
});

test("the same numbers are there as a table, with the layer and the median marked", async () => {
  const { container } = show(3);
  const details = container.querySelector("details") as HTMLDetailsElement;
  details.open = true;
  fireEvent(details, new Event("toggle"));
  await screen.findByRole("columnheader", { name: "Values" });
  const marked = (words: string) =>
    [...container.querySelectorAll("tbody tr")].filter((row) => row.textContent?.includes(words));
  expect(marked("this layer")).toHaveLength(1);
  expect(marked("this layer")[0]?.querySelector("th")?.textContent).toMatch(/^100 – /);
  expect(marked("median of the layers")[0]?.querySelector("th")?.textContent).toMatch(/^10 – /);
});
