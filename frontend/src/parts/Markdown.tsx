/** Advice and documentation as elements; the parser knows no HTML, so hostile text stays text. */
import { type Block, type Inline, parseInline, parseMarkdown } from "../text/markdown";
import { CodeBlock } from "./Copy";

function Inlines({ inlines }: { inlines: Inline[] }) {
  return (
    <>
      {inlines.map(({ kind, text }, index) => {
        const key = `${index}${kind}`;
        if (kind === "code") return <code key={key}>{text}</code>;
        return kind === "strong" ? <strong key={key}>{text}</strong> : text;
      })}
    </>
  );
}

function BlockView({ block }: { block: Block }) {
  if (block.kind === "heading") return <h4>{block.text}</h4>;
  if (block.kind === "fence") return <CodeBlock text={block.text} />;
  if (block.kind === "paragraph") {
    return (
      <p>
        <Inlines inlines={block.inlines} />
      </p>
    );
  }
  return (
    <ul>
      {block.items.map((item, index) => (
        <li key={`${index}${item[0]?.text ?? ""}`}>
          <Inlines inlines={item} />
        </li>
      ))}
    </ul>
  );
}

/** One sentence of the server, with its `code` marked. */
export function Sentence({ text }: { text: string }) {
  return <Inlines inlines={parseInline(text)} />;
}

export function Markdown({ source, leads = false }: { source: string; leads?: boolean }) {
  return (
    <div class="markdown">
      {parseMarkdown(source, leads).map((block, index) => (
        <BlockView block={block} key={`${index}${block.kind}`} />
      ))}
    </div>
  );
}
