/** Colour bar and the looks that are not numbers on it. */
import type { ComponentChildren } from "preact";
import { useText } from "../i18n";
import { formatValue } from "../text/numbers";
import { ColourBar } from "./ColourBar";
import type { Colours } from "./lut";
import type { Seen } from "./seen";
import type { ColourRange } from "./useColourRange";

const LOOKS = ["nan", "inf", "zero", "absent"] as const;

interface Props {
  range: ColourRange;
  unit: string;
  colours: Colours;
  /** The looks that occur; without them all are explained. */
  seen?: Seen;
  /** What stands at the end of the line. */
  children?: ComponentChildren;
}

/** What a chosen range means, and the way back to the one found in the data. */
function Chosen({ range }: { range: ColourRange }) {
  const { t } = useText();
  if (range.far === undefined) return null;
  return (
    <span class="chosen-range">
      {t("heat.chosen")}{" "}
      <button type="button" onClick={() => range.choose(null)}>
        {t("heat.found")}
      </button>
    </span>
  );
}

export function Legend({ range, unit, colours, seen, children }: Props) {
  const { t, lang } = useText();
  const [low, high] = range.domain;
  return (
    <div class="legend">
      <span>≤ {formatValue(Number(low.toPrecision(3)), lang)}</span>
      <ColourBar range={range} colours={colours} unit={unit} />
      <span>
        ≥ {formatValue(Number(high.toPrecision(3)), lang)} {unit}
      </span>
      <Chosen range={range} />
      {seen?.has("far") === false ? null : (
        <span class="look">
          <span class="swatch look-far" />
          {t("heat.far")}
        </span>
      )}
      {LOOKS.filter((look) => seen?.has(look) !== false).map((look) => (
        <span class="look" key={look}>
          <span class={`swatch look-${look}`} />
          {t(`heat.${look}`)}
        </span>
      ))}
      {seen?.has("broken") === false ? null : (
        <span class="look">
          <span class="severity-error">◆</span> {t("heat.broken")}
        </span>
      )}
      {seen?.has("spike") === false ? null : (
        <span class="look">
          <span class="severity-warning">▲</span> {t("heat.spike")}
        </span>
      )}
      {children}
    </div>
  );
}
