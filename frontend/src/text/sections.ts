/** The parts of a rule's documentation, by the words its paragraphs begin with. */
import { capital } from "./words";

export interface Sections {
  why: string;
  how: string;
  guards: string;
}

const LEADS: Record<keyof Sections, RegExp> = {
  why: /^(?:Why it matters|为什么重要)\s*[:：]\s*/,
  how: /^(?:How it decides|如何判断)\s*[:：]\s*/,
  guards: /^(?:Guards against|如何避免误报)\s*[:：]\s*/,
};

/** Empty where the documentation has no such part. */
export function sectionsOf(documentation: string): Sections {
  const paragraphs = documentation.split(/\n\s*\n/).map((paragraph) => paragraph.trim());
  const part = (lead: RegExp) =>
    capital(paragraphs.find((paragraph) => lead.test(paragraph))?.replace(lead, "") ?? "");
  return { why: part(LEADS.why), how: part(LEADS.how), guards: part(LEADS.guards) };
}
