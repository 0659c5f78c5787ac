/**
 * The small Markdown that rules write (paragraphs with a leading "Section:", bullets, `code`, fences) as a tree.
 * It never yields HTML: everything that is not one of these shapes stays text.
 */

export type Inline = { kind: "text" | "code" | "strong"; text: string };
export type Block =
  | { kind: "paragraph"; inlines: Inline[] }
  | { kind: "heading"; text: string }
  | { kind: "list"; items: Inline[][] }
  | { kind: "fence"; language: string; text: string };

const INLINE = /(`[^`]+`|\*\*[^*]+\*\*)/;
const BULLET = /^\s*(?:[-*]|\d+\.)\s+/;
const HEADING = /^#{1,6}\s+(.+)$/;
/** "Why it matters: …": the short words before the colon lead the paragraph. */
const LEAD = /^(\p{L}[\p{L} ]{1,28}[:：])\s*(\S.*)$/u;

export function parseInline(text: string): Inline[] {
  return text
    .split(INLINE)
    .filter((part) => part !== "")
    .map((part) => {
      if (part.length > 2 && part.startsWith("`") && part.endsWith("`"))
        return { kind: "code", text: part.slice(1, -1) };
      if (part.length > 4 && part.startsWith("**") && part.endsWith("**"))
        return { kind: "strong", text: part.slice(2, -2) };
      return { kind: "text", text: part };
    });
}

/** Takes the lines of a fence off the queue. */
function takeFence(lines: string[]): Block {
  const opening = lines.shift() ?? "";
  const indent = /^\s*/.exec(opening)?.[0].length ?? 0;
  const body: string[] = [];
  for (let line = lines.shift(); line !== undefined && !/^\s*```/.test(line); line = lines.shift()) {
    body.push(line.slice(0, indent).trim() === "" ? line.slice(indent) : line);
  }
  return { kind: "fence", language: opening.trim().slice(3).trim(), text: body.join("\n") };
}

/** Takes bullets and their continuation lines off the queue. */
function takeList(lines: string[]): Block {
  const items: string[] = [];
  while (lines.length > 0) {
    const line = lines[0] ?? "";
    if (BULLET.test(line)) items.push(line.replace(BULLET, ""));
    else if (/^\s+\S/.test(line) && !/^\s*```/.test(line)) items[items.length - 1] += ` ${line.trim()}`;
    else break;
    lines.shift();
  }
  return { kind: "list", items: items.map(parseInline) };
}

function takeParagraph(lines: string[], leads: boolean): Block {
  const parts: string[] = [];
  while (lines.length > 0 && !startsBlock(lines[0] ?? "")) parts.push((lines.shift() ?? "").trim());
  const text = parts.join(" ");
  const [, lead, rest] = (leads && LEAD.exec(text)) || [];
  const inlines: Inline[] =
    lead && rest ? [{ kind: "strong", text: lead }, ...parseInline(` ${rest}`)] : parseInline(text);
  return { kind: "paragraph", inlines };
}

function startsBlock(line: string): boolean {
  return line.trim() === "" || /^\s*```/.test(line) || BULLET.test(line) || HEADING.test(line);
}

/** With `leads`, the words before a colon at the start of a paragraph are marked: sections of documentation. */
export function parseMarkdown(source: string, leads = false): Block[] {
  const lines = source.replaceAll("\r\n", "\n").split("\n");
  const blocks: Block[] = [];
  while (lines.length > 0) {
    const line = lines[0] ?? "";
    const heading = HEADING.exec(line);
    if (line.trim() === "") lines.shift();
    else if (/^\s*```/.test(line)) blocks.push(takeFence(lines));
    else if (BULLET.test(line)) blocks.push(takeList(lines));
    else if (heading) {
      blocks.push({ kind: "heading", text: heading[1] ?? "" });
      lines.shift();
    } else blocks.push(takeParagraph(lines, leads));
  }
  return blocks;
}

/** The beginning of an advice up to its first code, or its first two paragraphs: what to do before anything else. */
export function firstStepsOf(advice: string): string {
  const fence = /```[\s\S]*?```/.exec(advice);
  const paragraphs = advice.split(/\n\s*\n/);
  const two = paragraphs.slice(0, 2).join("\n\n");
  if (!fence) return two;
  const end = fence.index + fence[0].length;
  return end <= Math.max(two.length, LEADING) ? advice.slice(0, end) : two;
}

/** Characters of an advice up to the end of its first code that a first screen has room for. */
const LEADING = 900;
