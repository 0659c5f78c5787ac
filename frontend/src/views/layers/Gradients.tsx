/** Layers over steps as a heat map: gradients, updates, weights and activations by the same picture. */
import { useMemo } from "preact/hooks";
import { useMatrix } from "../../data/tables";
import { SCALES, type Scale } from "../../heat/scale";
import { useText } from "../../i18n";
import { Pick } from "../../parts/Pick";
import { Loaded, Missing, Note } from "../../parts/States";
import { capital } from "../../text/words";
import type { ViewProps } from "../context";
import { MatrixView } from "./MatrixView";

/** Quantities with a column per layer or module that a logarithmic colour can show. */
export const STATS = [
  "gradient_norm",
  "update_ratio",
  "update_norm",
  "parameter_norm",
  "gradient_abs_max",
  "gradient_zero_share",
  "activation_std",
  "activation_abs_max",
  "dead_share",
  "saturated_share",
  "zero_share",
  "activation_variation",
] as const;
export type Stat = (typeof STATS)[number];

function statOf(text: string | undefined): Stat {
  return STATS.find((stat) => stat === text) ?? "gradient_norm";
}

function scaleOf(text: string | undefined, stat: Stat): Scale {
  const scale = SCALES.find((candidate) => candidate === text) ?? "absolute";
  return scale === "share" && stat !== "gradient_norm" ? "absolute" : scale;
}

export function Gradients(props: ViewProps) {
  const { run, place, go } = props;
  const { t } = useText();
  const stat = statOf(place.stat);
  const scale = scaleOf(place.scale, stat);
  const quantity = scale === "share" ? "gradient_share" : stat;
  const matrix = useMatrix(run, quantity);
  const recorded = useMemo(() => STATS.filter((name) => run.quantities.includes(name)), [run]);
  const scales = SCALES.filter((candidate) => candidate !== "share" || stat === "gradient_norm");
  const heading = t(`stat.${stat}`);
  const picks = (
    <>
      <Pick
        label={t("gradients.stat")}
        value={stat}
        options={recorded.includes(stat) ? recorded : [stat, ...recorded]}
        name={(option) => t(`stat.${option}`)}
        choose={(option) => go({ stat: option })}
      />
      <Pick
        label={t("gradients.scale")}
        value={scale}
        options={scales}
        name={(option) => t(`scale.${option}`)}
        choose={(option) => go({ scale: option })}
      />
    </>
  );
  return (
    <section>
      <h2>{capital(t("gradients.heading", { stat: heading }))}</h2>
      <p class="muted">{t(`explain.${stat}`)}</p>
      {run.quantities.includes(quantity) ? (
        <Loaded resource={matrix} what={heading}>
          {(whole) =>
            whole.buckets === 0 ? (
              <Note>{t("gradients.nothing")}</Note>
            ) : (
              <MatrixView key={quantity} {...props} whole={whole} scale={scale} heading={heading}>
                {picks}
              </MatrixView>
            )
          }
        </Loaded>
      ) : (
        <>
          <div class="controls tools">{picks}</div>
          <Missing quantity={quantity} />
        </>
      )}
    </section>
  );
}
