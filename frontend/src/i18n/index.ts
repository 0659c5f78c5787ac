/** Translations of the page's own words. Texts of findings and rules come from the server in the same language. */
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import { recall } from "../host/storage";
import { formatInteger } from "../text/numbers";
import en from "./en.json";
import zh from "./zh-CN.json";

export const LANGUAGES = ["en", "zh-CN"] as const;
export type Lang = (typeof LANGUAGES)[number];
export type Key = keyof typeof en;
export type Values = Record<string, string | number>;

const WORDS: Record<Lang, Record<string, string>> = { en, "zh-CN": zh };

/** The language in force; each component reads it, so a switch redraws all of them. */
export const LangContext = createContext<Lang>("en");

/**
 * A text with its `{{fields}}` filled in; the key itself where there is none. "[run/runs]" is the first word for one, by the field
 * `count`. Whole numbers are grouped. The page renders text nodes only: nothing is escaped.
 */
export function translate(lang: Lang, key: Key, values: Values = {}): string {
  const text = WORDS[lang][key] ?? WORDS.en[key] ?? key;
  const counted = text.replace(/\[([^\]/]*)\/([^\]/]*)\]/g, Number(values.count) === 1 ? "$1" : "$2");
  const told = (value: string | number | undefined) =>
    typeof value === "number" && Number.isInteger(value) ? formatInteger(value, lang) : String(value ?? "");
  return counted.replace(/\{\{(\w+)\}\}/g, (_, name: string) => told(values[name]));
}

/** Between two sentences. */
export function gapOf(lang: Lang): string {
  return lang === "zh-CN" ? "" : " ";
}

export type T = (key: Key, values?: Values) => string;

export function useText(): { t: T; lang: Lang } {
  const lang = useContext(LangContext);
  return { t: (key, values) => translate(lang, key, values), lang };
}

function known(tag: string | null | undefined): Lang | undefined {
  if (!tag) return undefined;
  if (/^zh\b/i.test(tag)) return "zh-CN";
  return /^en\b/i.test(tag) ? "en" : undefined;
}

/** The link decides, then the remembered choice, then the browser. */
export function pickLanguage(linked: string | undefined): Lang {
  return known(linked) ?? known(recall("lang")) ?? known(navigator.language) ?? "en";
}
