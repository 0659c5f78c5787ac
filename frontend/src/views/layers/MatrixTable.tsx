/** The heat map as a table: one row per layer with its median, its largest value and where that was; a page at a time. */

import { useState } from "preact/hooks";
import { Flag, type Matrix } from "../../data/table";
import type { Row } from "../../heat/rows";
import { useText } from "../../i18n";
import { Folded } from "../../parts/Folded";
import { Scroll } from "../../parts/Scroll";
import { formatInteger, formatSteps, formatValue } from "../../text/numbers";

const PAGE = 25;
const BAD = Flag.nan | Flag.plusInf | Flag.minusInf;

interface Props {
  matrix: Matrix;
  rows: Row[];
  open: boolean;
  toggle: (open: boolean) => void;
  pick: (layer: string) => void;
}

interface Line {
  largest: number;
  at: number;
  broken: number;
}

export function lineOfRow(matrix: Matrix, columns: readonly number[]): Line {
  const line: Line = { largest: NaN, at: 0, broken: 0 };
  for (const column of columns) {
    for (let bucket = 0; bucket < matrix.buckets; bucket++) {
      const at = column * matrix.buckets + bucket;
      if ((matrix.flags[at] ?? 0) & BAD) line.broken++;
      const value = matrix.max[at] ?? NaN;
      if (Number.isFinite(value) && !(value <= line.largest))
        Object.assign(line, { largest: value, at: bucket });
    }
  }
  return line;
}

function LayerRow({ matrix, row, pick }: Pick<Props, "matrix" | "pick"> & { row: Row }) {
  const { lang } = useText();
  const { largest, at, broken } = lineOfRow(matrix, row.columns);
  const median = Math.max(...row.columns.map((column) => matrix.median[column] ?? NaN));
  return (
    <tr>
      <th scope="row">
        {row.columns.length === 1 ? (
          <button type="button" class="plain" onClick={() => pick(row.name)}>
            {row.name}
          </button>
        ) : (
          row.name
        )}
      </th>
      <td class="number">{formatValue(median, lang)}</td>
      <td class="number">{formatValue(largest, lang)}</td>
      <td class="number">{formatSteps(matrix.firstStep[at] ?? null, matrix.lastStep[at] ?? null, lang)}</td>
      <td class="number">{formatInteger(broken, lang)}</td>
    </tr>
  );
}

const HEADS = ["layer", "median", "largest", "where", "broken"] as const;

export function MatrixTable({ matrix, rows, open, toggle, pick }: Props) {
  const { t, lang } = useText();
  const [page, setPage] = useState(0);
  const pages = Math.max(1, Math.ceil(rows.length / PAGE));
  const from = Math.min(page, pages - 1) * PAGE;
  return (
    <Folded title={t("chart.table")} open={open} toggle={toggle}>
      <div class="controls">
        <button type="button" disabled={from === 0} onClick={() => setPage(page - 1)}>
          {t("table.before")}
        </button>
        <span>
          {formatSteps(from + 1, Math.min(rows.length, from + PAGE), lang)} /{" "}
          {formatInteger(rows.length, lang)}
        </span>
        <button type="button" disabled={from + PAGE >= rows.length} onClick={() => setPage(page + 1)}>
          {t("table.after")}
        </button>
      </div>
      <Scroll label={t("chart.table")}>
        <table>
          <thead>
            <tr>
              {HEADS.map((head) => (
                <th scope="col" key={head}>
                  {t(`table.${head}`)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.slice(from, from + PAGE).map((row) => (
              <LayerRow key={row.name} matrix={matrix} row={row} pick={pick} />
            ))}
          </tbody>
        </table>
      </Scroll>
    </Folded>
  );
}
