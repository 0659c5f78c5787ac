/** The choice what compared runs are aligned by. */
import type { Place } from "../../host/hash";
import type { Go } from "../../host/place";
import { useText } from "../../i18n";
import { Pick } from "../../parts/Pick";
import type { Aligned } from "./useAligned";

export function AlignPick({ aligned, place, go }: { aligned: Aligned; place: Place; go: Go }) {
  const { t } = useText();
  const { offered, shared } = aligned;
  return (
    <div class="controls">
      <Pick
        label={t("compare.align")}
        value={offered.find((axis) => axis === place.align) ?? "step"}
        options={offered}
        name={(axis) =>
          axis === "finding"
            ? t("compare.alignFinding", { at: shared?.at ?? 1, title: shared?.title ?? "" })
            : t(`compare.align.${axis}`)
        }
        choose={(axis) => go({ align: axis === "step" ? "" : axis })}
      />
    </div>
  );
}
