/** The drawn numbers as a table: for screen readers, and for who wants to read them off. */

import type { Line } from "../charts/series";
import type { Format, LineSpec } from "../charts/spec";
import { useText } from "../i18n";
import { Scroll } from "./Scroll";

const ROWS = 25;

/** Evenly spread steps of all lines together. */
export function sampleSteps(lines: Line[], count: number): number[] {
  const all = [...new Set(lines.flatMap((line) => line.points.map(([step]) => step)))].sort((a, b) => a - b);
  if (all.length <= count) return all;
  const picked = Array.from(
    { length: count },
    (_, index) => all[Math.round((index * (all.length - 1)) / (count - 1))] ?? 0,
  );
  return [...new Set(picked)];
}

function Rows({ lines, format }: { lines: Line[]; format: Format }) {
  const values = lines.map((line) => new Map(line.points));
  return (
    <tbody>
      {sampleSteps(lines, ROWS).map((step) => (
        <tr key={step}>
          <th scope="row">{format.step(step)}</th>
          {values.map((points, index) => {
            const value = points.get(step);
            const text = value === null ? "NaN/Inf" : value === undefined ? "" : format.value(value);
            return <td key={lines[index]?.name}>{text}</td>;
          })}
        </tr>
      ))}
    </tbody>
  );
}

interface Props {
  lines: Line[];
  spec: LineSpec;
}

export function NumberTable({ lines, spec }: Props) {
  const { t } = useText();
  return (
    <Scroll label={t("chart.table")}>
      <table>
        <thead>
          <tr>
            <th scope="col">{spec.words.step}</th>
            {lines.map((line) => (
              <th scope="col" key={line.name}>
                {line.name}
              </th>
            ))}
          </tr>
        </thead>
        <Rows lines={lines} format={spec.format} />
      </table>
    </Scroll>
  );
}
