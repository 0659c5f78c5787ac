/** The heat maps of several runs on the same steps and the same colours, or the ratio of two of them. */
import { useState } from "preact/hooks";
import { useMatrices } from "../../data/tables";
import type { RunSummary } from "../../data/types";
import { type Key, useText } from "../../i18n";
import { Pick } from "../../parts/Pick";
import { Loaded, Missing } from "../../parts/States";
import { capital } from "../../text/words";
import type { ViewProps } from "../context";
import { STATS } from "../layers/Gradients";
import { Difference, Side } from "./CompareMaps";
import type { Aligned } from "./useAligned";

type Props = ViewProps & { chosen: RunSummary[]; aligned: Aligned };

const MODES = ["side", "ratio"] as const;

export function CompareHeat(props: Props) {
  const { chosen, place, go } = props;
  const { t } = useText();
  const [mode, setMode] = useState<(typeof MODES)[number]>("side");
  const stats = STATS.filter((stat) => chosen.some(({ quantities }) => quantities.includes(stat)));
  const stat = stats.find((candidate) => candidate === place.stat) ?? stats[0];
  const matrices = useMatrices(stat ? chosen : [], stat ?? "");
  if (!stat) return <Missing quantity="gradient_norm" />;
  const name = t(`stat.${stat}` as Key);
  return (
    <section>
      <h2>{capital(t("gradients.heading", { stat: name }))}</h2>
      <div class="controls">
        <Pick
          label={t("gradients.stat")}
          value={stat}
          options={stats}
          name={(option) => t(`stat.${option}`)}
          choose={(option) => go({ stat: option })}
        />
        <Pick
          label={t("compare.mode")}
          value={mode}
          options={MODES}
          name={(option) => t(`compare.mode.${option}`)}
          choose={setMode}
        />
      </div>
      <Loaded resource={matrices} what={name}>
        {(value) =>
          mode === "side" ? <Side {...props} matrices={value} /> : <Difference {...props} matrices={value} />
        }
      </Loaded>
    </section>
  );
}
