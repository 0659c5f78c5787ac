/** Small questions about findings that several views ask. */
import type { Finding, Outcome, OutcomeKind, Report, Restart, RunDiagnosis, Severity } from "./types";

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

const RANK: Record<Severity, number> = { info: 0, warning: 1, error: 2 };

/** How bad a cause is: as bad as the worst of what it explains. */
export function severityOf(finding: Finding): Severity {
  return everyFinding([finding])
    .map(({ severity }) => severity)
    .reduce((worst, other) => (RANK[other] > RANK[worst] ? other : worst));
}

/** Causes with the worst first; what is equally bad stays in the server's order. */
export function worstFirst(findings: readonly Finding[]): Finding[] {
  return [...findings].sort((a, b) => RANK[severityOf(b)] - RANK[severityOf(a)]);
}

/** A step range painted beside a chart. */
export interface Mark {
  first: number;
  last: number;
  severity: Severity;
  label: string;
  /** Whether it was still so when it was last looked at: nobody knows of the steps since. */
  ongoing?: boolean;
}

/** Ranges to paint beside a chart: one per cause, the worst first. */
export function marksOf(findings: readonly Finding[]): Mark[] {
  return worstFirst(findings).map((finding) => ({
    first: finding.first_step,
    last: finding.last_step,
    severity: severityOf(finding),
    label: finding.code,
    ongoing: finding.ongoing,
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

export function kindOf({ outcome, absent }: Outcome): OutcomeKind {
  return absent ? "nothing here" : outcome;
}

export function countOutcomes(outcomes: readonly Outcome[], kind: OutcomeKind): number {
  return outcomes.filter((outcome) => kindOf(outcome) === kind).length;
}

export interface Filter {
  severity: "all" | Finding["severity"];
  words: string;
  /** Identifiers that the user does not want to see. */
  muted: ReadonlySet<string>;
  showMuted: boolean;
}

/** Findings that pass: as bad as that, words in code, title, subject or message, also of what they explain, and not muted. */
export function filtered(findings: Finding[], filter: Filter): Finding[] {
  const words = filter.words.toLowerCase().split(/\s+/);
  return findings.filter((finding) => {
    if (filter.severity !== "all" && severityOf(finding) !== filter.severity) return false;
    if (!filter.showMuted && filter.muted.has(idOf(finding))) return false;
    const text = everyFinding([finding])
      .map(({ code, title, subject, message }) => `${code} ${title} ${subject} ${message}`)
      .join(" ")
      .toLowerCase();
    return words.every((word) => text.includes(word));
  });
}
