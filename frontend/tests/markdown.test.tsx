import { cleanup, fireEvent, render, screen } from "@testing-library/preact";
import { afterEach, expect, test } from "vitest";
import { Markdown } from "../src/parts/Markdown";
import { parseInline, parseMarkdown } from "../src/text/markdown";

afterEach(cleanup);

test("paragraphs, bullets, fences and section lines", () => {
  const blocks = parseMarkdown(
    "One\ntwo\n\n# Title\n- `a` and **b**\n  more\n- c\n\n```python\nx = 1\n\ny\n```\nend",
  );
  expect(blocks.map(({ kind }) => kind)).toEqual(["paragraph", "heading", "list", "fence", "paragraph"]);
  expect(blocks[0]).toEqual({ kind: "paragraph", inlines: [{ kind: "text", text: "One two" }] });
  expect(blocks[1]).toEqual({ kind: "heading", text: "Title" });
  expect(blocks[3]).toEqual({ kind: "fence", language: "python", text: "x = 1\n\ny" });
});

test("the words before a colon lead a paragraph", () => {
  expect(parseMarkdown("Why it matters: one `NaN`\nis enough.", true)).toEqual([
    {
      kind: "paragraph",
      inlines: [
        { kind: "strong", text: "Why it matters:" },
        { kind: "text", text: " one " },
        { kind: "code", text: "NaN" },
        { kind: "text", text: " is enough." },
      ],
    },
  ]);
  expect(parseMarkdown("为什么重要：一个 NaN", true)[0]).toMatchObject({
    inlines: [{ text: "为什么重要：" }, {}],
  });
  expect(parseMarkdown("Note: no")).toEqual([
    { kind: "paragraph", inlines: [{ kind: "text", text: "Note: no" }] },
  ]);
  expect(parseMarkdown("Try this:", true)).toEqual([
    { kind: "paragraph", inlines: [{ kind: "text", text: "Try this:" }] },
  ]);
});

test("a fence that is never closed ends with the text", () => {
  expect(parseMarkdown("```\na")).toEqual([{ kind: "fence", language: "", text: "a" }]);
});

test("marks without an end stay text", () => {
  expect(parseInline("a ` b ** c")).toEqual([{ kind: "text", text: "a ` b ** c" }]);
});

test("hostile text stays text", () => {
  const hostile =
    '<img src=x onerror="alert(1)"> [x](javascript:alert(1)) `<b>` \n\n```\n</code><script>alert(1)</script>\n```';
  const { container } = render(<Markdown source={hostile} />);
  expect(container.querySelector("img, script, a, b")).toBeNull();
  expect(container.textContent).toContain('<img src=x onerror="alert(1)">');
  expect(container.textContent).toContain("<script>alert(1)</script>");
});

test("a long line of code is folded in its middle, what follows it is not", () => {
  const names = Array.from({ length: 60 }, (_, at) => `("term ${at}", (term_${at}, 0.5))`);
  const code = `terms = [${names}]\nloss.backward()`;
  const { container } = render(<Markdown source={`Build it so:\n\n\`\`\`python\n${code}\n\`\`\``} />);
  const shown = () => container.querySelector("pre")?.textContent ?? "";
  expect(shown().length).toBeLessThan(260);
  expect(shown()).toMatch(/^terms = .*term_0.* … .*term_59, 0.5\)\)\]\nloss.backward\(\)$/);
  fireEvent.click(screen.getByRole("button", { name: "Show all of it" }));
  expect(shown()).toBe(code);
  expect(screen.queryByRole("button", { name: "Show all of it" })).toBeNull();
});

test("a short code is shown as it is", () => {
  const { container } = render(<Markdown source={"```python\nloss.backward()\n```"} />);
  expect(container.querySelector("pre")?.textContent).toBe("loss.backward()");
  expect(screen.getAllByRole("button").length).toBe(1);
});
