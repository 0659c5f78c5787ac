/** Characters that nobody sees, spelled out: in a file they move a terminal's cursor, turn a line around, or make XML of none. */

/** Control characters, half characters, marks of direction, separators of lines, and two that are no characters. */
const UNSEEN = /[\p{Cc}\p{Cs}\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufff9-\ufffb\ufffe\uffff]/gu;
const SHORT = new Map([
  ["\n", "\\n"],
  ["\r", "\\r"],
  ["\t", "\\t"],
]);

function spelled(character: string): string {
  const code = character.charCodeAt(0).toString(16);
  return (
    SHORT.get(character) ?? (code.length > 2 ? `\\u${code.padStart(4, "0")}` : `\\x${code.padStart(2, "0")}`)
  );
}

/** Text without them; what stands in `keep` is meant, such as the line feeds of code. */
export function visible(text: string, keep = ""): string {
  return text.replaceAll(UNSEEN, (found) => (keep.includes(found) ? found : spelled(found)));
}
