/** What facts of a run are called in words, as far as the page has them: "learning rate · group 0 · highest". */
import { type Key, useText } from "../i18n";
import { useQuantityName } from "./quantities";

/** "learning_rate[group 0], highest" in the words for its parts. */
export function factName(name: string, words: (part: string) => string | null): string {
  const [, base = name, column = "", when = ""] = /^([\w ]+)(\[.*\])?(?:, ([\w ]+))?$/.exec(name) ?? [];
  const told = [words(base) ?? base, column.slice(1, -1), when && (words(when) ?? when)];
  return told.filter(Boolean).join(" · ");
}

export function useFactName(): (name: string) => string {
  const { t } = useText();
  const nameOf = useQuantityName();
  const words = (part: string) => {
    const key = `fact.${part.replaceAll(" ", "_")}` as Key;
    return t(key) === key ? (/^[a-z]+_/.test(part) ? nameOf(part) : null) : t(key);
  };
  return (name) => factName(name, words);
}
