import { expect, test } from "vitest";
import { readNames, readPlace, readRange, writeNames, writePlace, writeRange } from "../src/host/hash";

test("what is written is read back", () => {
  const place = {
    run: "a/b &=#%损失",
    view: "findings",
    f: "LD101:7351:layer 1",
    lang: "zh-CN",
    layer: "x.y",
    x: "10-20",
    cmp: writeNames(["a,b", "c%"]),
  } as const;
  expect(readPlace(writePlace("#lossdiag", place))).toEqual(place);
});

test("keys of others stay", () => {
  const hash = writePlace("#lossdiag&tagFilter=loss&p.lossdiag.run=old&p.other.x=1", { run: "new" });
  expect(hash).toBe("#lossdiag&tagFilter=loss&p.other.x=1&p.lossdiag.run=new");
});

test("empty parts are left out", () => {
  expect(writePlace("#lossdiag&p.lossdiag.f=LD101:1", { f: "", view: "gradients" })).toBe(
    "#lossdiag&p.lossdiag.view=gradients",
  );
});

test("an empty hash leads to our tab", () => {
  expect(writePlace("", { run: "a" })).toBe("#lossdiag&p.lossdiag.run=a");
});

test("unknown keys and views are ignored, broken escapes are kept as text", () => {
  expect(readPlace("#lossdiag&p.lossdiag.view=secret&p.lossdiag.zzz=1&p.lossdiag.run=100%")).toEqual({
    run: "100%",
  });
  expect(readPlace("")).toEqual({});
});

test("ranges of steps survive a link, nonsense does not", () => {
  expect(readRange(writeRange([10.4, 20.2]))).toEqual([10, 21]);
  expect(writeRange(null)).toBe("");
  for (const text of [undefined, "", "5", "9-3", "-5-9", "a-b", "1e3-2e3"])
    expect(readRange(text)).toBeNull();
});

test("names with commas and percent signs survive a link", () => {
  expect(readNames(writeNames(["a,b", "50%", "层"]))).toEqual(["a,b", "50%", "层"]);
  expect(readNames(undefined)).toEqual([]);
});
