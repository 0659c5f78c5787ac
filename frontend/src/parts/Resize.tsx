/** How high a chart is: its lower edge is dragged, or a number typed in its menu; charts of a kind keep it. */
import { useState } from "preact/hooks";
import { whileDown } from "../charts/drag";
import { recall, remember } from "../host/storage";
import { useText } from "../i18n";

export const [LOWEST, HIGHEST] = [90, 1200];

function allowed(height: number): number {
  return Math.round(Math.min(HIGHEST, Math.max(LOWEST, height)));
}

/** The height that was chosen for this kind of chart where it usually is as high, and how to choose another; 0 is the usual one. */
export function useHeight(kind: string, usual: number): [number, (height: number, done?: boolean) => void] {
  const key = `height ${kind} ${usual}`;
  const [chosen, setChosen] = useState(() => Number(recall(key)) || 0);
  const choose = (height: number, done = true) => {
    const next = height === 0 ? 0 : allowed(height);
    setChosen(next);
    if (done) remember(key, next === 0 ? "" : String(next));
  };
  return [chosen > 0 ? allowed(chosen) : usual, choose];
}

interface Props {
  height: number;
  choose: (height: number, done?: boolean) => void;
}

/** Who has no mouse types the height in the chart's menu. */
export function Edge({ height, choose }: Props) {
  const { t } = useText();
  const grab = (event: PointerEvent) => {
    if (event.button !== 0) return;
    event.preventDefault(); // no text is selected
    whileDown(
      event,
      (_, y) => choose(height + y, false),
      (_, y) => choose(height + y),
    );
  };
  return (
    <div
      class="edge"
      aria-hidden="true"
      title={t("chart.resize")}
      onPointerDown={grab}
      onDblClick={() => choose(0)}
    />
  );
}

export function HeightField({ height, choose }: Props) {
  const { t } = useText();
  return (
    <label>
      {t("chart.height")}{" "}
      <input
        class="bound"
        type="number"
        min={LOWEST}
        max={HIGHEST}
        step={20}
        value={height}
        onChange={(event) => choose(Number(event.currentTarget.value))}
      />
    </label>
  );
}
