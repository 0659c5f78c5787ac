/** Which values of layers rules have judged, and how: by the findings' own evidence and by the rules' thresholds. */
import { everyFinding } from "../../data/findings";
import type { Finding, Rule, Severity } from "../../data/types";
import type { LayerEntry } from "./layerValues";

export interface Judged {
  /** "beyond": past a threshold, but the rule, which looks at more than one value, found nothing. */
  level: Severity | "beyond";
  /** The rule, if one said so. */
  code: string;
}

interface Limit {
  quantity: string;
  code: string;
  threshold: string;
  /** Whether values above it are bad, else those below. */
  above: boolean;
}

/** Which rule holds which value against which of its thresholds. */
const LIMITS: Limit[] = [
  { quantity: "dead_share", code: "LD701", threshold: "min_dead", above: true },
  { quantity: "saturated_share", code: "LD702", threshold: "max_saturated", above: true },
  { quantity: "activation_variation", code: "LD705", threshold: "max_variation", above: false },
  { quantity: "effective_rank", code: "LD707", threshold: "max_rank", above: false },
  { quantity: "update_ratio", code: "LD601", threshold: "max_ratio", above: true },
  { quantity: "update_ratio", code: "LD602", threshold: "min_ratio", above: false },
];

/** Rules that were decided on one quantity and name another as their evidence. */
const SAME_AS: Record<string, string> = { update_norm: "update_ratio" };

/** The severity of each rule that found something, and the cells that findings name. */
export interface Judgements {
  found: ReadonlyMap<string, Severity>;
  cells: ReadonlyMap<string, Judged>;
  rules: ReadonlyMap<string, Rule>;
}

function keyOf(layer: string, quantity: string): string {
  return JSON.stringify([layer, quantity]);
}

const RANK: Record<Judged["level"], number> = { beyond: 1, info: 2, warning: 3, error: 4 };

export function judgementsOf(findings: Finding[], rules: ReadonlyMap<string, Rule>): Judgements {
  const found = new Map<string, Severity>();
  const cells = new Map<string, Judged>();
  for (const { code, severity, evidence } of everyFinding(findings)) {
    found.set(code, severity);
    for (const { quantity, column } of evidence) {
      if (column === "") continue;
      for (const name of [quantity, SAME_AS[quantity] ?? quantity]) {
        const known = cells.get(keyOf(column, name));
        if (known && RANK[known.level] >= RANK[severity]) continue;
        cells.set(keyOf(column, name), { level: severity, code });
      }
    }
  }
  return { found, cells, rules };
}

function beyond(value: number, quantity: string, { found, rules }: Judgements): Judged | null {
  for (const limit of LIMITS) {
    if (limit.quantity !== quantity) continue;
    const threshold = Number(rules.get(limit.code)?.thresholds[limit.threshold] ?? NaN);
    const past = limit.above ? value >= threshold : value <= threshold;
    if (past) return { level: found.get(limit.code) ?? "beyond", code: limit.code };
  }
  return null;
}

/** What is said of a layer's newest value; null where nothing is. */
export function judgedOf(
  entry: Pick<LayerEntry, "name" | "values">,
  quantity: string,
  known: Judgements,
): Judged | null {
  const value = entry.values.get(quantity);
  if (value === null || value === undefined) return null;
  const named = known.cells.get(keyOf(entry.name, quantity));
  if (!Number.isFinite(value) || (quantity === "activation_nonfinite" && value > 0)) {
    return { level: "error", code: named?.code ?? "" };
  }
  return named ?? beyond(value, quantity, known);
}

/** How suspicious a layer is: by the worst of its values, then by how many are. */
export function suspicionOf(entry: LayerEntry, quantities: readonly string[], known: Judgements): number {
  const judged = quantities.map((quantity) => judgedOf(entry, quantity, known));
  const worst = Math.max(0, ...judged.map((each) => (each ? RANK[each.level] : 0)));
  return worst + judged.filter((each) => each !== null).length / (quantities.length + 1);
}
