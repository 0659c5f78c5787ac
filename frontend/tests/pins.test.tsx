/** Charts that are pinned, and charts that were made higher. */
import { act, cleanup, fireEvent, render, screen } from "@testing-library/preact";
import { afterEach, beforeEach, expect, test } from "vitest";
import { pinName, readPins, togglePin, usePins } from "../src/data/pins";
import { Edge, HeightField, HIGHEST, LOWEST, useHeight } from "../src/parts/Resize";

beforeEach(() => localStorage.clear());
afterEach(cleanup);

const LOSS = { quantities: ["loss", "validation_loss"], column: "" };

test("a pin is kept, followed, and taken down by the same click; what others wrote is no pin", () => {
  const Names = () => <p>{usePins().map(pinName).join(" ")}</p>;
  const { container } = render(<Names />);
  act(() => togglePin(LOSS));
  expect(container.textContent).toBe('[["loss","validation_loss"],""]');
  expect(readPins()).toEqual([LOSS]);
  act(() => togglePin({ ...LOSS }));
  expect([container.textContent, readPins()]).toEqual(["", []]);
  for (const other of ["{", "3", '[{"quantities": 3}, null, "x"]']) {
    localStorage.setItem("lossdiag.pins", other);
    expect(readPins()).toEqual([]);
  }
});

test("a height is kept for its kind of chart within bounds, and a double click gives the usual one", () => {
  const Chart = () => {
    const [height, choose] = useHeight("loss", 220);
    return (
      <>
        <p>{height}</p>
        <Edge {...{ height, choose }} />
        <HeightField {...{ height, choose }} />
      </>
    );
  };
  const { container, unmount } = render(<Chart />);
  const height = () => container.querySelector("p")?.textContent;
  const type = (value: string) => fireEvent.change(screen.getByLabelText("Height"), { target: { value } });
  type("300");
  expect(height()).toBe("300");
  unmount();
  const again = render(<Chart />).container;
  expect(again.querySelector("p")?.textContent).toBe("300");
  // The same kind where it is small, as among the pinned ones, has a height of its own.
  const Small = () => <i>{useHeight("loss", 140)[0]}</i>;
  expect(render(<Small />).container.querySelector("i")?.textContent).toBe("140");
  type("1");
  expect(again.querySelector("p")?.textContent).toBe(String(LOWEST));
  type("99999");
  expect(again.querySelector("p")?.textContent).toBe(String(HIGHEST));
  fireEvent.dblClick(again.querySelector(".edge") as Element);
  expect(again.querySelector("p")?.textContent).toBe("220");
  expect(localStorage.getItem("lossdiag.height loss 220")).toBe("");
});
