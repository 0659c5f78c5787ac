/** CSV for spreadsheets: quoted where needed, and no cell that would run as a formula. */

import { visible } from "./visible";

type Cell = string | number | null;

function text(cell: Cell): string {
  if (cell === null) return "";
  if (typeof cell === "number") return String(cell);
  // Names come from users: a leading apostrophe keeps a spreadsheet from running them.
  const shown = visible(cell);
  const safe = /^\s*[=+\-@]/.test(shown) ? `'${shown}` : shown;
  return /[",]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export function csv(rows: readonly (readonly Cell[])[]): string {
  return rows.map((row) => `${row.map(text).join(",")}\r\n`).join("");
}
