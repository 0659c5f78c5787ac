/** Activations and updates: a table of layers with the worst first, and the picked one's curves beside it. */

import { useMemo, useState } from "preact/hooks";
import { type Tables, useTables } from "../../data/tables";
import type { Finding } from "../../data/types";
import { type Key, useText } from "../../i18n";
import { Switch } from "../../parts/Pick";
import { Loaded, Missing } from "../../parts/States";
import type { ViewProps } from "../context";
import { LayerLine } from "../layers/LayerLine";
import { judgementsOf, suspicionOf } from "./judged";
import { KINDS } from "./kinds";
import { LayerTable } from "./LayerTable";
import { layersOf } from "./layerValues";

const PARTS = ["activations", "updates"] as const;
type Part = (typeof PARTS)[number];
const QUANTITIES: Record<Part, readonly string[]> = {
  activations: [
    "dead_share",
    "saturated_share",
    "zero_share",
    "activation_mean",
    "activation_std",
    "activation_abs_max",
    "activation_nonfinite",
    "activation_variation",
    "effective_rank",
  ],
  updates: ["update_ratio", "update_norm", "parameter_norm", "gradient_norm", "gradient_zero_share"],
};
const HEADINGS: Record<Part, Key> = { activations: "activations.heading", updates: "updates.heading" };
const EXPLAINS: Record<Part, Key> = { activations: "activations.explain", updates: "updates.explain" };
const ALL = [...QUANTITIES.activations, ...QUANTITIES.updates, ...KINDS];
const NO_FINDINGS: Finding[] = [];
/** Enough for a curve as small as a word. */
const SPARK_POINTS = 60;

/** The part with the layer of the link, else that with what is most suspicious; without any the first that was recorded. */
function useWorst({ diagnosis, rules, place }: ViewProps, tables: Tables): Part {
  const findings = diagnosis.value?.findings ?? NO_FINDINGS;
  const [asked] = useState(place.layer);
  return useMemo(() => {
    const holder = PARTS.find((part) =>
      QUANTITIES[part].some((quantity) => tables.get(quantity)?.columns.includes(asked ?? "")),
    );
    if (asked && holder) return holder;
    const known = judgementsOf(findings, rules);
    const worst = (part: Part) =>
      layersOf(tables, QUANTITIES[part]).reduce(
        (most, entry) => Math.max(most, suspicionOf(entry, QUANTITIES[part], known)),
        QUANTITIES[part].some((quantity) => tables.has(quantity)) ? 0 : -1,
      );
    return worst("updates") > worst("activations") ? "updates" : "activations";
  }, [findings, rules, tables, asked]);
}

function Drawn(props: ViewProps & { tables: Tables }) {
  const { tables, place } = props;
  const { t } = useText();
  const worst = useWorst(props, tables);
  const [picked, setPicked] = useState<Part | null>(null);
  const part = picked ?? worst;
  const quantities = QUANTITIES[part];
  const recorded = quantities.some((quantity) => tables.has(quantity));
  return (
    <>
      <div class="controls">
        <Switch
          label={t("activations.part")}
          value={part}
          options={PARTS}
          name={(each) => t(HEADINGS[each])}
          choose={setPicked}
        />
        <span class="muted">{t(EXPLAINS[part])}</span>
      </div>
      <div class={place.layer ? "with-drawer" : ""}>
        <div>
          {recorded ? (
            <LayerTable key={part} {...props} quantities={quantities} />
          ) : (
            <Missing quantity={quantities[0] ?? ""} />
          )}
        </div>
        {place.layer ? <LayerLine {...props} layer={place.layer} /> : null}
      </div>
    </>
  );
}

export function Activations(props: ViewProps) {
  const { t } = useText();
  const tables = useTables(props.run, ALL, SPARK_POINTS);
  return (
    <section>
      <h2>{t("view.activations")}</h2>
      <Loaded resource={tables} what={t("view.activations")}>
        {(loaded) => <Drawn {...props} tables={loaded} />}
      </Loaded>
    </section>
  );
}
