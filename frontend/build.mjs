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

/** What npm installed, pictures of the page, which are taken after it was built, and the server's answers for its tests. */
const NO_SOURCES = ["node_modules", "screenshots", "answers"];

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

const result = await build({
  root: ROOT,
  configFile: false,
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
