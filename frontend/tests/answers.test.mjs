// @vitest-environment node
/**
 * The server's answers against the page's types: as literals, so that the compiler also refuses a key that no type has.
 * `python3 tasks.py answers` writes them; the Python tests compare them with a real TensorBoard's.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { decodeMatrix, decodeTable } from "../src/data/table";

const ROOT = join(import.meta.dirname, "..");
const TYPES = {
  runs: "PackedRuns",
  diagnosis: "Diagnosis",
  compare: "Comparison",
  rules: "Rules",
  report: "Diagnosis",
  markdown: "string",
  spreadsheet: "string",
  table: "{ header: Header; bytes: string }",
  matrix: "{ header: Header; bytes: string }",
};
const NAMES = Object.keys(TYPES);

function textOf(name) {
  return readFileSync(join(import.meta.dirname, "answers", `${name}.json`), "utf8");
}

/** A module that compiles if the answer has the type; answers must not use names of their own. */
function moduleOf(answer, type) {
  const from = (file) => JSON.stringify(join(ROOT, "src", "data", file));
  return [
    `import type { Comparison, Diagnosis, PackedRuns, Rules } from ${from("types")};`,
    `import type { Header } from ${from("table")};`,
    "export type Used = [Comparison, Diagnosis, PackedRuns, Rules, Header];",
    `export const answer = ${answer.trim()} satisfies ${type};`,
  ].join("\n");
}

/** The same answer with one more key in every object. */
function withSurprise(answer) {
  const more = (_, value) =>
    value !== null && typeof value === "object" && !Array.isArray(value) ? { surprise: 1, ...value } : value;
  return JSON.stringify(JSON.parse(answer), more);
}

let complaints = "";
const folder = mkdtempSync(join(tmpdir(), "answers-"));

/** What the compiler says of all modules in the folder. */
function compile() {
  try {
    execFileSync(process.execPath, [join(ROOT, "node_modules", "typescript", "bin", "tsc"), "-p", folder]);
    return "";
  } catch (error) {
    return String(error.stdout);
  }
}

beforeAll(() => {
  for (const name of NAMES) {
    writeFileSync(join(folder, `${name}.ts`), moduleOf(textOf(name), TYPES[name]));
    writeFileSync(join(folder, `${name}-surprise.ts`), moduleOf(withSurprise(textOf(name)), TYPES[name]));
  }
  const options = { noEmit: true, types: [], noErrorTruncation: true };
  const config = { extends: join(ROOT, "tsconfig.json"), compilerOptions: options, include: ["*.ts"] };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
  complaints = compile();
}, 60_000);

afterAll(() => rmSync(folder, { recursive: true }));

function complaintsOf(file) {
  return complaints.split("\n").filter((line) => line.includes(`${file}.ts(`));
}

test.each(NAMES)("the page knows every key of the server's answer: %s", (name) => {
  expect(complaintsOf(name)).toEqual([]);
});

test.each(NAMES.filter((name) => TYPES[name] !== "string"))("one more key would be seen: %s", (name) => {
  expect(complaintsOf(`${name}-surprise`).join()).toContain("surprise");
});

function bytesOf(name) {
  const { header, bytes } = JSON.parse(textOf(name));
  return { header, bytes: Uint8Array.from(Buffer.from(bytes, "base64")).buffer };
}

test("the server's bytes are a table and a matrix", () => {
  const [table, matrix] = [bytesOf("table"), bytesOf("matrix")];
  expect(decodeTable(table.bytes)).toMatchObject({ columns: table.header.columns, records: 64, buckets: 4 });
  expect([...decodeTable(table.bytes).max]).toEqual([8, 8, 8, Number.NaN, 8, 8, 8, Number.NaN]);
  expect([...decodeMatrix(matrix.bytes).median]).toEqual([8, 8]);
});
