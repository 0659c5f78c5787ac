/** Small questions about findings that several views ask. */
import type { Mark } from "../charts/spec";
import type { Finding, OutcomeKind, RunDiagnosis } from "./types";

/** Identifies a finding in a link: stable as long as the rule finds the same thing at the same place. */
export function idOf(finding: Finding): string {
  const base = `${finding.code}:${finding.first_step}`;
  return finding.subject ? `${base}:${finding.subject}` : base;
}

/** The finding of that identifier, among the causes and the symptoms inside them. */
export function findById(findings: Finding[], id: string | undefined): Finding | undefined {
  for (const finding of findings) {
    const inside = idOf(finding) === id ? finding : findById(finding.explains, id);
    if (inside) return inside;
  }
  return undefined;
}

/** Ranges to paint behind a chart: one per cause. */
export function marksOf(findings: Finding[]): Mark[] {
  return findings.map((finding) => ({
    first: finding.first_step,
    last: finding.last_step,
    severity: finding.severity,
    label: finding.code,
  }));
}

export function countOutcomes(diagnosis: RunDiagnosis, kind: OutcomeKind): number {
  return diagnosis.outcomes.filter(({ outcome }) => outcome === kind).length;
}
