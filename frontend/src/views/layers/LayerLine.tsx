/** One layer over the steps: everything that was recorded of it, each quantity a chart, with the findings about it. */
import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { lineOf } from "../../charts/series";
import { extentOf } from "../../data/extent";
import { everyFinding, marksOf } from "../../data/findings";
import { columnNamed, type Table } from "../../data/table";
import { useColumn } from "../../data/tables";
import type { Finding } from "../../data/types";
import { useEscape } from "../../host/escape";
import { type Key, useText } from "../../i18n";
import { LinePlot } from "../../parts/LinePlot";
import { PlaceLink } from "../../parts/PlaceLink";
import { Loaded } from "../../parts/States";
import { withUnit } from "../../text/units";
import { capital } from "../../text/words";
import type { ViewProps } from "../context";
import { findingsAbout } from "./about";

const NO_FINDINGS: Finding[] = [];

/** What is drawn of a parameter, with the rule of thumb where there is one. */
const OF_PARAMETER = ["gradient_norm", "update_ratio", "gradient_share", "parameter_norm"] as const;
const OF_MODULE = [
  "activation_mean",
  "activation_std",
  "dead_share",
  "saturated_share",
  "zero_share",
] as const;
/** Update over weight: around a thousandth is the usual rule of thumb. */
const RULE_OF_THUMB = 1e-3;

/** The panel that shows a finding: that of the first quantity it names, or the first one there is. */
export function panelOf(finding: Finding, panels: readonly string[]): string | undefined {
  const named = everyFinding([finding]).flatMap(({ evidence }) => evidence.map(({ quantity }) => quantity));
  return panels.find((panel) => named.includes(panel)) ?? panels[0];
}

type Props = ViewProps & {
  layer: string;
  /** A further panel. */
  children?: ComponentChildren;
};

type PanelProps = Props & { quantity: string; panels: readonly string[] };

function Drawn({ table, layer, quantity, panels, ...props }: PanelProps & { table: Table }) {
  const { t } = useText();
  const findings = props.diagnosis.value?.findings ?? NO_FINDINGS;
  const name = t(`stat.${quantity}` as Key);
  const column = columnNamed(table, layer);
  const lines = useMemo(() => (column ? [lineOf(name, column)] : []), [table, layer, name]);
  const marks = useMemo(() => {
    const about = findingsAbout(findings, layer);
    return marksOf(about.filter((finding) => panelOf(finding, panels) === quantity));
  }, [findings, layer, panels.join()]);
  const thresholds = useMemo(
    () => (quantity === "update_ratio" ? [{ value: RULE_OF_THUMB, label: t("updates.thumb") }] : []),
    [quantity, name],
  );
  if (lines.length === 0) return null;
  return (
    <LinePlot
      lines={lines}
      marks={marks}
      thresholds={thresholds}
      theme={props.theme}
      label={`${name}: ${layer}`}
      title=""
      about={props.run.run}
      extent={extentOf(props.run)}
      height={140}
      startLog={quantity === "update_ratio"}
      records={table.records}
      pin={{ quantities: [quantity], column: layer }}
    />
  );
}

function Quantity(props: PanelProps) {
  const { t } = useText();
  const { run, layer, quantity } = props;
  const table = useColumn(run, quantity, layer);
  // What is recorded of modules has no column for a parameter, and the other way round.
  if (table.value === null) return null;
  return (
    <div>
      <h4>{capital(withUnit(t(`stat.${quantity}` as Key), table.value?.unit ?? "", t))}</h4>
      <Loaded resource={table} what={quantity}>
        {(value) => (value ? <Drawn {...props} table={value} /> : null)}
      </Loaded>
    </div>
  );
}

/** Pixels of it that tell that it is there. */
const LEAST_SEEN = 120;

/** A layer that was picked where its curves are out of view comes into view. */
function useInView(layer: string) {
  const section = useRef<HTMLElement>(null);
  useEffect(() => {
    const top = section.current?.getBoundingClientRect().top ?? 0;
    if (top < 0 || top > window.innerHeight - LEAST_SEEN) section.current?.scrollIntoView?.();
  }, [layer]);
  return section;
}

/** Escape closes it and gives the focus back to what it was opened from. */
function useClosing(go: Props["go"]) {
  const opener = useRef(document.activeElement);
  useEscape(true, () => {
    go({ layer: "" });
    if (opener.current instanceof HTMLElement) opener.current.focus();
  });
}

export function LayerLine(props: Props) {
  const { t } = useText();
  const { run, layer } = props;
  const section = useInView(layer);
  useClosing(props.go);
  const wanted = [...OF_PARAMETER, ...OF_MODULE].filter((quantity) => run.quantities.includes(quantity));
  return (
    <section class="layer" aria-label={t("gradients.layer", { layer })} ref={section}>
      <h3>
        {t("gradients.layer", { layer })}{" "}
        <PlaceLink place={props.place} change={{ layer: "" }} go={props.go}>
          {t("gradients.close")}
        </PlaceLink>
      </h3>
      <div class="panels">
        {wanted.map((quantity) => (
          <Quantity key={quantity + layer} {...props} quantity={quantity} panels={wanted} />
        ))}
        {props.children}
      </div>
    </section>
  );
}
