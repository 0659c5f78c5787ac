/** One quantity of all compared runs in one chart: the same axes by construction. */
import { useContext, useMemo } from "preact/hooks";
import { type Line, lineOf } from "../../charts/series";
import { warped } from "../../data/align";
import { columnAt } from "../../data/table";
import { useAcross } from "../../data/tables";
import type { RunSummary } from "../../data/types";
import type { Theme } from "../../host/theme";
import { useText } from "../../i18n";
import { LinePlot } from "../../parts/LinePlot";
import { Loaded, Note } from "../../parts/States";
import { RunColours } from "./colours";
import { LETTERS } from "./compared";
import type { Aligned } from "./useAligned";

interface Props {
  chosen: RunSummary[];
  aligned: Aligned;
  theme: Theme;
  quantity: string;
  label: string;
}

export function RunsChart({ chosen, aligned, theme, quantity, label }: Props) {
  const { t } = useText();
  const { alignment, extent, words } = aligned;
  const colours = useContext(RunColours);
  const tables = useAcross(chosen, quantity, alignment);
  const lines = useMemo<Line[]>(
    () =>
      (tables.value ?? []).flatMap((table, at) => {
        if (!table || table.columns.length === 0) return [];
        const placed = warped(table, alignment.warps?.[at]);
        const line = lineOf(`${LETTERS[at]} ${chosen[at]?.run ?? ""}`, columnAt(placed, 0));
        return [{ ...line, colour: at, ink: colours[at] ?? "" }];
      }),
    [tables.value, alignment, colours],
  );
  return (
    <section>
      <h3>{label}</h3>
      <Loaded resource={tables} what={label}>
        {() =>
          lines.length === 0 ? (
            <Note>{t("missing.quantity", { quantity })}</Note>
          ) : (
            <LinePlot
              {...{ lines, theme, label, extent }}
              about={chosen.map(({ run }) => run).join(" / ")}
              axis={words}
              legend={false}
              pin={{ quantities: [quantity], column: "" }}
              title=""
            />
          )
        }
      </Loaded>
    </section>
  );
}
