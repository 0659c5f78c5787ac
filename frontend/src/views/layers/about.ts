/** Which findings are about layers, and which layers they are about. */
import { everyFinding, severityOf } from "../../data/findings";
import type { Matrix } from "../../data/table";
import type { Finding, Severity } from "../../data/types";

/** Names of layers and modules that a finding, or what it explains, names. */
function namesIn(finding: Finding): string[] {
  const all = everyFinding([finding]);
  const names = all.flatMap(({ subject, evidence }) => [subject, ...evidence.map(({ column }) => column)]);
  return [...new Set(names.filter((name) => name !== ""))];
}

/** Findings whose subject or evidence names the layer. */
export function findingsAbout(findings: readonly Finding[], layer: string): Finding[] {
  return findings.filter((finding) => namesIn(finding).includes(layer));
}

/** Findings that name a layer of the map, or a module with layers in it. */
export function findingsIn(findings: readonly Finding[], matrix: Pick<Matrix, "columns">): Finding[] {
  return findings.filter((finding) =>
    namesIn(finding).some((name) =>
      matrix.columns.some((column) => column === name || column.startsWith(`${name}.`)),
    ),
  );
}

const RANK: readonly Severity[] = ["info", "warning", "error"];

/** The worst that findings say of each layer they name. */
export function badgesOf(findings: readonly Finding[]): ReadonlyMap<string, Severity> {
  const badges = new Map<string, Severity>();
  for (const finding of findings) {
    const severity = severityOf(finding);
    for (const name of namesIn(finding)) {
      const known = badges.get(name);
      if (!known || RANK.indexOf(severity) > RANK.indexOf(known)) badges.set(name, severity);
    }
  }
  return badges;
}
