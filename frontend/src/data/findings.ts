/** Small questions about findings that several views ask. */
import type { Finding, OutcomeKind, Report, Restart, RunDiagnosis, Severity } from "./types";

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

/** A step range painted behind a chart. */
export interface Mark {
  first: number;
  last: number;
  severity: Severity;
  label: string;
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

/** A thin range where the run was taken up again. */
export function restartMarks(restarts: Restart[], label: string): Mark[] {
  return restarts.map(({ step }) => ({ first: step, last: step, severity: "info", label }));
}

/** Findings with all that they explain: a cause in one run may be a symptom in another. */
export function everyFinding(findings: Finding[]): Finding[] {
  return findings.flatMap((finding) => [finding, ...everyFinding(finding.explains)]);
}

/** What was reported while the training ran and is not found any more: a list of moments for each. */
export function pastReports({ findings, suppressed, reported }: RunDiagnosis): Report[][] {
  const keyOf = ({ code, subject }: Pick<Report, "code" | "subject">) => JSON.stringify([code, subject]);
  const found = new Set(everyFinding([...findings, ...suppressed]).map(keyOf));
  const past = new Map<string, Report[]>();
  for (const report of reported) {
    const key = keyOf(report);
    if (!found.has(key)) past.set(key, [...(past.get(key) ?? []), report]);
  }
  return [...past.values()];
}

export function countOutcomes(diagnosis: RunDiagnosis, kind: OutcomeKind): number {
  return diagnosis.outcomes.filter(({ outcome }) => outcome === kind).length;
}

export interface Filter {
  severity: "all" | Finding["severity"];
  words: string;
  /** Identifiers that the user does not want to see. */
  muted: ReadonlySet<string>;
  showMuted: boolean;
}

/** Findings that pass: severity, words in code, title, subject or message, and not muted. */
export function filtered(findings: Finding[], filter: Filter): Finding[] {
  const words = filter.words.toLowerCase().split(/\s+/);
  return findings.filter((finding) => {
    if (filter.severity !== "all" && finding.severity !== filter.severity) return false;
    if (!filter.showMuted && filter.muted.has(idOf(finding))) return false;
    const text = `${finding.code} ${finding.title} ${finding.subject} ${finding.message}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
}
