/** Translations of the page's own words. Texts of findings and rules come from the server in the same language. */
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import { recall } from "../host/storage";
import { i18next } from "../vendor";
import en from "./en.json";
import zh from "./zh-CN.json";

export const LANGUAGES = ["en", "zh-CN"] as const;
export type Lang = (typeof LANGUAGES)[number];
export type Key = keyof typeof en;
export type Values = Record<string, string | number>;

const instance = i18next.createInstance({
  lng: "en",
  fallbackLng: "en",
  resources: { en: { translation: en }, "zh-CN": { translation: zh } },
  keySeparator: false,
  nsSeparator: false,
  // The page renders text nodes only, so escaping for HTML would show up as &amp; in layer names.
  interpolation: { escapeValue: false },
  initAsync: false,
});
instance.init();

/** The language in force; each component reads it, so a switch redraws all of them. */
export const LangContext = createContext<Lang>("en");

export function translate(lang: Lang, key: Key, values: Values = {}): string {
  return instance.t(key, { ...values, lng: lang });
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
