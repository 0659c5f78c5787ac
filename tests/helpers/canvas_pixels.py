"""The colours that a page's canvases are painted in."""

from __future__ import annotations

from playwright.sync_api import Frame


def columns_of(frame: Frame, canvas: str, colour: tuple[int, int, int]) -> list[int]:
    """The columns of a canvas that have pixels of a colour, in its own pixels from the left."""
    script = """([selector, colour]) => {
      const canvas = document.querySelector(selector);
      if (!canvas) return [];
      const {width, height} = canvas;
      const data = canvas.getContext('2d').getImageData(0, 0, width, height).data;
      const found = new Set();
      for (let at = 0; at < data.length; at += 4)
        if (colour.every((value, part) => data[at + part] === value)) found.add((at / 4) % width);
      return [...found].sort((a, b) => a - b);
    }"""
    found: list[int] = frame.evaluate(script, [canvas, list(colour)])
    return found


def wait_for_colour(frame: Frame, canvas: str, colour: tuple[int, int, int]) -> list[int]:
    """The columns with it, once there are any."""
    for _ in range(100):
        if found := columns_of(frame, canvas, colour):
            return found
        frame.wait_for_timeout(200)
    raise AssertionError(f"nothing of {colour} in {canvas}")
