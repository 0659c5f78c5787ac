/** A code block with a copy button. The clipboard API needs https or localhost, so there is an older way behind it. */
import { useState } from "preact/hooks";
import { useText } from "../i18n";
import { visible } from "../text/visible";

/** Copies through a selected text area, for pages served over plain http. */
function copyOldWay(text: string): boolean {
  const area = document.createElement("textarea");
  area.value = text;
  area.setAttribute("readonly", "");
  area.className = "unseen";
  document.body.append(area);
  area.select();
  try {
    return document.execCommand("copy");
  } finally {
    area.remove();
  }
}

export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyOldWay(text);
  }
}

/** A line of so many characters is a list of data: its start and its end say what it is. */
const [LONG, START, END] = [240, 120, 60];

function shortened(text: string): string {
  const short = (line: string) =>
    line.length > LONG ? `${line.slice(0, START)} … ${line.slice(-END)}` : line;
  return text.split("\n").map(short).join("\n");
}

/** What is copied may land in a terminal: names in it must not bring control characters along. */
export function CodeBlock({ text: written }: { text: string }) {
  const text = visible(written, "\n\t");
  const { t } = useText();
  const [state, setState] = useState<"copy" | "done" | "failed">("copy");
  const [whole, setWhole] = useState(false);
  const short = shortened(text);
  const copy = async () => setState((await copyText(text)) ? "done" : "failed");
  return (
    <div class="code">
      <button type="button" onClick={copy} aria-live="polite">
        {t(`copy.${state}`)}
      </button>
      <pre>
        <code>{whole ? text : short}</code>
      </pre>
      {short !== text && !whole ? (
        <button type="button" class="unfold" onClick={() => setWhole(true)}>
          {t("copy.whole")}
        </button>
      ) : null}
    </div>
  );
}
