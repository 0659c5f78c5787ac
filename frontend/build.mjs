// Builds the page into the Python package: two scripts, the licences of what they contain, and a manifest that
// ties the outputs to the sources (the Python tests recompute it without Node).
import { createHash } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";
import { licences } from "./licences.mjs";

const ROOT = dirname(fileURLToPath(import.meta.url));
const OUT = join(ROOT, "..", "tb_lossdiag", "plugin", "static");
const OUTPUTS = ["THIRD_PARTY_LICENSES.txt", "app.js", "vendor.js"];

/** What npm installed, pictures of the page, which are taken after it was built, and what only tests and checkers read. */
const NO_SOURCES = ["node_modules", "screenshots", "tests", "vitest.config.ts", "biome.json"];

/** All source files below a folder. */
async function sources(folder) {
  const found = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (NO_SOURCES.includes(entry.name)) continue;
    const path = join(folder, entry.name);
    found.push(...(entry.isDirectory() ? await sources(path) : [path]));
  }
  return found;
}

async function hashes(base, paths) {
  const rows = await Promise.all(
    paths.map(async (path) => [
      relative(base, path).replaceAll("\\", "/"),
      createHash("sha256")
        .update(await readFile(path))
        .digest("hex"),
    ]),
  );
  // Plain code-point order, the same in Python's sorted().
  return Object.fromEntries(rows.sort((a, b) => (a[0] < b[0] ? -1 : 1)));
}

/**
 * Modules of the chart library that it always brings along, for what this page never asks of it, and what stands for them: 10 KB of what
 * a browser fetches. A module that is not found any more fails the build, so that a new version of the library is looked at.
 */
const LEFT_OUT = {
  // Options as they were written for its versions 2 to 4.
  "echarts/lib/preprocessor/backwardCompat.js":
    "export default (option) => { option.series = [option.series ?? []].flat(); };",
  "echarts/lib/theme/dark.js": "export default {};", // ours has both themes' colours
  // Its toolbox's words and names of months.
  "echarts/lib/i18n/langEN.js": "export default {};",
  "echarts/lib/i18n/langZH.js": "export default {};",
  "echarts/lib/util/decal.js": "export const createOrUpdatePatternFromDecal = () => null;", // hatched bars
  "echarts/lib/scale/Time.js": "export default class {}\nexport const calcNiceForTimeScale = () => {};", // steps are numbers
  "zrender/lib/svg/cssAnimation.js": "export const createCSSAnimation = () => {};", // saved pictures stand still
};

function leaveOut() {
  const left = new Set(Object.keys(LEFT_OUT));
  return {
    name: "leave-out",
    load(id) {
      const path = Object.keys(LEFT_OUT).find((end) =>
        id.replaceAll("\\", "/").endsWith(`node_modules/${end}`),
      );
      left.delete(path);
      return path && LEFT_OUT[path];
    },
    buildEnd() {
      if (left.size > 0) throw new Error(`not there any more: ${[...left].join(", ")}`);
    },
  };
}

const result = await build({
  root: ROOT,
  configFile: false,
  plugins: [leaveOut()],
  logLevel: "warn",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    target: "es2022",
    outDir: OUT,
    emptyOutDir: false,
    modulePreload: false,
    chunkSizeWarningLimit: 2000,
    rolldownOptions: {
      input: join(ROOT, "src", "app.tsx"),
      preserveEntrySignatures: "strict",
      output: {
        format: "es",
        entryFileNames: "app.js",
        chunkFileNames: "[name].js",
        codeSplitting: { groups: [{ name: "vendor", test: /node_modules|rolldown|vendor\.ts$/ }] },
      },
    },
  },
});

const scripts = result.output.map((file) => file.fileName).sort();
if (scripts.join() !== "app.js,vendor.js") throw new Error(`unexpected outputs: ${scripts.join()}`);

await writeFile(join(OUT, "THIRD_PARTY_LICENSES.txt"), await licences(ROOT, result.output));
const manifest = {
  outputs: await hashes(
    OUT,
    OUTPUTS.map((name) => join(OUT, name)),
  ),
  sources: await hashes(ROOT, await sources(ROOT)),
};
await writeFile(join(OUT, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);
