/** Which line of the script a finding is about, as it was seen while it trained; as in `report/script_lines.py`. */
import type { Finding } from "./types";

export interface ScriptLine {
  what: "loss" | "clip" | "step";
  /** "train.py:88". */
  line: string;
}

const ABOUT: [RegExp, ScriptLine["what"]][] = [
  [/^LD[145]/, "loss"],
  [/^LD3/, "clip"],
  [/^LD[26]/, "step"],
];
const LINE = /^.+:[1-9]\d*$/;

/** Of the call of this name; where it is none, of the only line with a call. */
function lossLine(subject: string, told: string): string | undefined {
  const calls = new Map(
    told.split("; ").map((part) => part.split(" at ", 2) as [string, string | undefined]),
  );
  const lines = new Set(calls.values());
  return calls.get(subject) ?? (lines.size === 1 ? [...lines][0] : undefined);
}

/** Null where none is known: modules, machines and records have no such line. */
export function scriptLineOf(
  { code, subject }: Pick<Finding, "code" | "subject">,
  facts: Record<string, unknown>,
): ScriptLine | null {
  const what = ABOUT.find(([codes]) => codes.test(code))?.[1];
  const fact = (name: string) => String(facts[name] ?? "");
  const valid = (line: string | undefined) => (line !== undefined && LINE.test(line) ? line : null);
  const step = valid(fact("step_line"));
  if (what === "loss") {
    const line = valid(lossLine(subject, fact("loss_lines")));
    return line ? { what, line } : null;
  }
  const clip = what === "clip" ? valid(fact("clip_line")) : null;
  if (clip) return { what: "clip", line: clip };
  return (what === "clip" || what === "step") && step ? { what: "step", line: step } : null;
}
