import { expect, test } from "vitest";
import { pickLanguage, translate } from "../src/i18n";
import en from "../src/i18n/en.json";
import zh from "../src/i18n/zh-CN.json";

const placeholders = (text: string) => (text.match(/\{\{\w+\}\}/g) ?? []).sort();

test("both languages have the same keys in the same order", () => {
  expect(Object.keys(zh)).toEqual(Object.keys(en));
});

test.each(Object.keys(en) as (keyof typeof en)[])("%s has the same placeholders and a text", (key) => {
  expect(placeholders(zh[key])).toEqual(placeholders(en[key]));
  expect(zh[key].trim()).not.toBe("");
});

const sources = import.meta.glob<string>("../src/**/*.{ts,tsx}", {
  query: "?raw",
  import: "default",
  eager: true,
});

test("every key is used", () => {
  const code = Object.values(sources).join("\n");
  const unused = Object.keys(en).filter((key) => {
    const family = key.slice(0, key.lastIndexOf(".") + 1);
    return !code.includes(`"${key}"`) && !code.includes(`\`${family}\${`);
  });
  expect(unused).toEqual([]);
});

test("values are put in as they are", () => {
  expect(translate("en", "gradients.layer", { layer: "<b>&" })).toBe("Layer <b>&");
  expect(translate("zh-CN", "view.gradients")).toBe("梯度");
  expect(translate("en", "groups.runs", { count: 1000 })).toBe("1,000 runs");
  expect(translate("en", "gradients.layer", { layer: "1000" })).toBe("Layer 1000");
});

test("one of something is called so", () => {
  expect(translate("en", "groups.runs", { count: 1 })).toBe("1 run");
  expect(translate("en", "groups.runs", { count: "2" })).toBe("2 runs");
  expect(translate("zh-CN", "groups.runs", { count: 1 })).toBe("1 个运行");
  expect(translate("en", "gradients.layer", { layer: "[a/b]" })).toBe("Layer [a/b]");
});

test("the link decides about the language", () => {
  expect(pickLanguage("zh")).toBe("zh-CN");
  expect(pickLanguage("en-GB")).toBe("en");
});
