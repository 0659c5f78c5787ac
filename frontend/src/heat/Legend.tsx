/** Colour bar and the four looks that are not numbers. */
import { useText } from "../i18n";
import { formatValue } from "../text/numbers";
import { type Colours, gradientOf } from "./lut";

const LOOKS = ["nan", "inf", "zero", "absent"] as const;

interface Props {
  domain: readonly [number, number];
  unit: string;
  colours: Colours;
}

export function Legend({ domain: [low, high], unit, colours }: Props) {
  const { t, lang } = useText();
  return (
    <div class="legend">
      <span>≤ {formatValue(Number(low.toPrecision(3)), lang)}</span>
      <span class="colour-bar" style={{ background: gradientOf(colours) }} />
      <span>
        ≥ {formatValue(Number(high.toPrecision(3)), lang)} {unit}
      </span>
      <span class="look">
        <span class="swatch look-far" />
        {t("heat.far")}
      </span>
      {LOOKS.map((look) => (
        <span class="look" key={look}>
          <span class={`swatch look-${look}`} />
          {t(`heat.${look}`)}
        </span>
      ))}
      <span class="look">
        <span class="severity-error">◆</span> {t("heat.broken")}
      </span>
      <span class="look">
        <span class="severity-warning">▲</span> {t("heat.spike")}
      </span>
    </div>
  );
}
