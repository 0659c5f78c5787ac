/** Saving a chart: PNG, SVG, and the numbers as CSV. */
import { fileName, pngOf, type Sheet, save, svgOf } from "../charts/export";
import { useText } from "../i18n";
import { csv } from "../text/csv";

interface Props {
  /** Words of the file name. */
  name: string[];
  sheet: () => Sheet;
  rows: () => (string | number | null)[][];
}

export function Export({ name, sheet, rows }: Props) {
  const { t } = useText();
  const file = (ending: string) => `${fileName(...name)}.${ending}`;
  const kinds: [string, () => void][] = [
    ["PNG", () => save(file("png"), pngOf(sheet()), "image/png")],
    ["SVG", () => save(file("svg"), svgOf(sheet()), "image/svg+xml")],
    ["CSV", () => save(file("csv"), csv(rows()), "text/csv")],
  ];
  return (
    <span class="export">
      {kinds.map(([kind, act]) => (
        <button type="button" key={kind} onClick={act} aria-label={t("export.as", { kind })}>
          {kind}
        </button>
      ))}
    </span>
  );
}
