/** What a layer is: the kind of a module, the role and the size of a parameter, as they were recorded. */
import { columnNamed } from "../../data/table";
import type { Tables } from "../../data/tables";
import type { Key, T } from "../../i18n";
import { formatInteger } from "../../text/numbers";
import { newest } from "./layerValues";

/** What tells a layer's kind. */
export const KINDS = ["module_kind", "parameter_role", "parameter_size"] as const;

/** In the order of the numbers that are recorded; "" for what has no name of its own. */
const MODULES: (Key | "")[] = [
  "",
  "kind.linear",
  "kind.convolution",
  "kind.normalisation",
  "kind.dropout",
  "kind.relu",
  "kind.saturating",
  "kind.smooth",
  "kind.softmax",
  "kind.recurrent",
  "kind.attention",
  "kind.embedding",
  "kind.pooling",
  "kind.reshape",
];
const ROLES: (Key | "")[] = ["", "kind.weight", "kind.bias", "kind.normalisation", "kind.embedding"];

function numberOf(tables: Tables, quantity: string, layer: string): number | null {
  const table = tables.get(quantity);
  const column = table ? columnNamed(table, layer) : undefined;
  return column ? newest(column) : null;
}

/** "linear", or "weight · 4,096"; empty where nothing is known. */
export function kindOf(tables: Tables, layer: string, t: T, lang: string): string {
  const kind = MODULES[numberOf(tables, "module_kind", layer) ?? 0];
  const role = ROLES[numberOf(tables, "parameter_role", layer) ?? 0];
  const size = numberOf(tables, "parameter_size", layer);
  const words = [kind, role].flatMap((key) => (key ? [t(key)] : []));
  if (size !== null) words.push(t("kind.elements", { count: formatInteger(size, lang) }));
  return words.join(" · ");
}
