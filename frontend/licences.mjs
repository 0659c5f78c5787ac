// Collects the licence texts of the npm packages whose code ended up in the built scripts.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** Names of the packages that contributed at least one module. */
function packagesIn(output) {
  const names = new Set();
  for (const chunk of output) {
    for (const id of Object.keys(chunk.modules ?? {})) {
      const match = /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(id.replaceAll("\\", "/"));
      if (match) names.add(match[1]);
    }
  }
  return [...names].sort();
}

/** Licence and notice files of a package, and those of the code that it includes in turn. */
async function licenceFiles(folder) {
  const entries = await readdir(folder, { withFileTypes: true });
  const own = entries.filter((entry) => entry.isFile() && /^(licen[cs]e|notice)/i.test(entry.name));
  const included = entries.filter((entry) => entry.isDirectory() && /^licen[cs]es$/i.test(entry.name));
  const nested = await Promise.all(included.map((entry) => licenceFiles(join(folder, entry.name))));
  return [...own.map((entry) => join(folder, entry.name)), ...nested.flat()].sort();
}

async function textOf(folder) {
  const texts = await Promise.all((await licenceFiles(folder)).map((path) => readFile(path, "utf8")));
  return texts.map((text) => text.replaceAll("\r\n", "\n").trim()).join("\n\n");
}

/** One section per package: name, version, licence identifier, full text. */
export async function licences(root, output) {
  const sections = [];
  for (const name of packagesIn(output)) {
    const folder = join(root, "node_modules", name);
    const about = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
    sections.push(`${name} ${about.version} (${about.license})\n\n${await textOf(folder)}`);
  }
  return `${sections.join(`\n\n${"-".repeat(80)}\n\n`)}\n`;
}
