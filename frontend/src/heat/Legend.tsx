/** Colour bar and the four looks that are not numbers. */
import { useText } from "../i18n";
import { formatValue } from "../text/numbers";
import { viridisGradient } from "./lut";

const LOOKS = ["nan", "inf", "zero", "absent"] as const;

export function Legend({ domain: [low, high], unit }: { domain: [number, number]; unit: string }) {
  const { t, lang } = useText();
  return (
    <div class="legend">
      <span>≤ {formatValue(Number(low.toPrecision(3)), lang)}</span>
      <span class="colour-bar" style={{ background: viridisGradient() }} />
      <span>
        ≥ {formatValue(Number(high.toPrecision(3)), lang)} {unit}
      </span>
      {LOOKS.map((look) => (
        <span class="look" key={look}>
          <span class={`swatch look-${look}`} />
          {t(`heat.${look}`)}
        </span>
      ))}
    </div>
  );
}
