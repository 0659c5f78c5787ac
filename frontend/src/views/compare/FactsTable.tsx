/** What was set differently in compared runs: a row per fact, a column per run. */
import type { RunSummary } from "../../data/types";
import { useText } from "../../i18n";
import { Scroll } from "../../parts/Scroll";
import { Note } from "../../parts/States";
import { useFactName } from "../../text/facts";
import { RunLetter } from "./RunLegend";

export function Heads({ chosen }: { chosen: RunSummary[] }) {
  return (
    <>
      {chosen.map((entry, at) => (
        <th scope="col" key={entry.run}>
          <RunLetter at={at} /> <span title={entry.run}>{entry.run}</span>
        </th>
      ))}
    </>
  );
}

interface Props {
  chosen: RunSummary[];
  rows: [string, string[]][];
  /** What the table is called where there are several. */
  label?: string;
}

export function FactsTable({ chosen, rows, label }: Props) {
  const { t } = useText();
  const factName = useFactName();
  if (rows.length === 0) return <Note>{t("compare.sameFacts")}</Note>;
  return (
    <Scroll label={label ?? t("compare.fact")}>
      <table class="facts">
        <thead>
          <tr>
            <th scope="col">{t("compare.fact")}</th>
            <Heads chosen={chosen} />
          </tr>
        </thead>
        <tbody>
          {rows.map(([name, values]) => (
            <tr key={name}>
              <th scope="row">{factName(name)}</th>
              {values.map((value, at) => (
                <td
                  key={chosen[at]?.run}
                  class={chosen.length > 2 && value !== values[0] && value !== "–" ? "other" : ""}
                >
                  {value}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}
