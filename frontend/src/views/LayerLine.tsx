/** One layer's gradient norm over the steps, with the findings about it. */
import { useMemo } from "preact/hooks";
import { lineOf } from "../charts/series";
import { marksOf } from "../data/findings";
import { columnAt, type Table } from "../data/table";
import type { Finding } from "../data/types";
import { useText } from "../i18n";
import { LinePlot } from "../parts/LinePlot";
import { PlaceLink } from "../parts/PlaceLink";
import type { ViewProps } from "./context";

/** Findings whose subject or evidence names the layer. */
export function findingsAbout(findings: Finding[], layer: string): Finding[] {
  return findings.filter(
    (finding) => finding.subject === layer || finding.evidence.some(({ column }) => column === layer),
  );
}

const NO_FINDINGS: Finding[] = [];

export function LayerLine({ table, column, ...props }: ViewProps & { table: Table; column: number }) {
  const { t } = useText();
  const layer = table.columns[column] ?? "";
  const findings = props.diagnosis.value?.findings ?? NO_FINDINGS;
  const lines = useMemo(() => [lineOf(layer, columnAt(table, column))], [table, column, layer]);
  const marks = useMemo(() => marksOf(findingsAbout(findings, layer)), [findings, layer]);
  const heading = t("gradients.layer", { layer });
  return (
    <section>
      <h3>
        {heading}{" "}
        <PlaceLink place={props.place} change={{ layer: "" }} go={props.go}>
          {t("gradients.close")}
        </PlaceLink>
      </h3>
      <LinePlot
        key={layer}
        lines={lines}
        marks={marks}
        theme={props.theme}
        label={heading}
        records={table.records}
      />
    </section>
  );
}
