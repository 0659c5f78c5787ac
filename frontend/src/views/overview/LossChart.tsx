/** Training and validation loss, with the findings in lanes under them. */
import { useMemo } from "preact/hooks";
import { type Line, lineOf } from "../../charts/series";
import { extentOf } from "../../data/extent";
import { restartMarks } from "../../data/findings";
import { columnAt } from "../../data/table";
import { type Tables, useTables } from "../../data/tables";
import type { Finding, Restart, RunSummary } from "../../data/types";
import type { Place } from "../../host/hash";
import type { Go } from "../../host/place";
import type { Theme } from "../../host/theme";
import { useText } from "../../i18n";
import { LinePlot } from "../../parts/LinePlot";
import { Loaded, Missing } from "../../parts/States";
import { Lanes } from "./Lanes";

const QUANTITIES = ["loss", "validation_loss"] as const;
const PIN = { quantities: QUANTITIES, column: "" };

interface Props {
  run: RunSummary;
  findings: Finding[];
  restarts: Restart[];
  theme: Theme;
  place: Place;
  go: Go;
}

/** A line is not drawn across a restart: what came after it does not continue what came before. */
export function brokenAt(line: Line, restarts: readonly Restart[]): Line {
  const points: Line["points"] = [];
  for (const [step, value] of line.points) {
    const before = points.at(-1)?.[0] ?? step;
    const between = restarts.find((restart) => restart.step > before && restart.step <= step);
    if (between) points.push([(before + step) / 2, null]);
    points.push([step, value]);
  }
  return { ...line, points };
}

function Drawn({ tables, restarts, theme, run }: Props & { tables: Tables }) {
  const { t, lang } = useText();
  const lines = useMemo(() => {
    const names = { loss: t("loss.training"), validation_loss: t("loss.validation") };
    return QUANTITIES.flatMap((quantity) => {
      const table = tables.get(quantity);
      if (!table || table.columns.length === 0) return [];
      return [brokenAt(lineOf(names[quantity], columnAt(table, 0)), restarts)];
    });
  }, [tables, restarts, lang]);
  const marks = useMemo(() => restartMarks(restarts, t("restarts.mark")), [restarts, lang]);
  if (lines.length === 0) return <Missing quantity="loss" />;
  return (
    <LinePlot
      lines={lines}
      marks={marks}
      about={run.run}
      extent={extentOf(run)}
      theme={theme}
      label={t("loss.heading")}
      height={210}
      records={tables.get("loss")?.records ?? 0}
      pin={PIN}
    />
  );
}

export function LossChart(props: Props) {
  const { t } = useText();
  const tables = useTables(props.run, QUANTITIES);
  return (
    <section>
      <h2 class="unseen">{t("loss.heading")}</h2>
      <Loaded resource={tables} what={t("loss.heading")}>
        {(value) => <Drawn {...props} tables={value} />}
      </Loaded>
      {props.findings.length > 0 ? <Lanes {...props} /> : null}
    </section>
  );
}
