/** The colour bar, whose two ends can be moved: by mouse, by touch, by keyboard. */
import { useMemo, useRef } from "preact/hooks";
import { useText } from "../i18n";
import { formatValue } from "../text/numbers";
import { barOf, type End, placeByKey, withEnd } from "./colourRange";
import { type Colours, gradientOf } from "./lut";
import type { ColourRange } from "./useColourRange";

const ENDS = ["low", "high"] as const;

interface Props {
  range: ColourRange;
  colours: Colours;
  unit: string;
}

/** As a logarithm: what is linear in the keys. */
function spoken(value: number): number {
  return Number(Math.log10(value).toFixed(3));
}

interface HandleProps extends Props {
  end: End;
  place: number;
  move: (end: End, place: number) => void;
}

function Handle({ end, place, move, range, unit }: HandleProps) {
  const { t, lang } = useText();
  const value = range.domain[end === "low" ? 0 : 1];
  const press = (event: KeyboardEvent) => {
    const next = placeByKey(event.key, place);
    if (next === null || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    move(end, next);
  };
  return (
    <span
      class={`colour-end colour-${end}`}
      role="slider"
      tabIndex={0}
      data-end={end}
      aria-label={t(`heat.end.${end}`)}
      aria-valuemin={spoken(range.limits[0])}
      aria-valuemax={spoken(range.limits[1])}
      aria-valuenow={spoken(value)}
      aria-valuetext={`${formatValue(Number(value.toPrecision(3)), lang)} ${unit}`}
      style={{ left: `${100 * place}%` }}
      onKeyDown={press}
    />
  );
}

export function ColourBar(props: Props) {
  const { range, colours } = props;
  const { t } = useText();
  const { domain, found, limits, choose } = range;
  const box = useRef<HTMLFieldSetElement>(null);
  const bar = useMemo(() => barOf(found, limits), [found, limits]);
  const [low, high] = domain;
  const places = { low: bar.placeOf(low), high: bar.placeOf(high) };
  const move = (end: End, place: number) => choose(withEnd(domain, end, bar.valueAt(place), limits));
  const dragged = useRef<End | null>(null);
  const follow = (event: PointerEvent) => {
    const { left = 0, width = 1 } = box.current?.getBoundingClientRect() ?? {};
    const place = Math.min(1, Math.max(0, (event.clientX - left) / width));
    dragged.current ??= Math.abs(place - places.low) < Math.abs(place - places.high) ? "low" : "high";
    move(dragged.current, place);
  };
  const grab = (event: PointerEvent) => {
    if (event.button !== 0) return;
    const handle = event.target instanceof HTMLElement ? event.target.dataset.end : undefined;
    dragged.current = ENDS.find((end) => end === handle) ?? null;
    box.current?.setPointerCapture(event.pointerId);
    // A handle that is only touched must not jump to where its middle is.
    if (dragged.current === null) follow(event);
  };
  return (
    <fieldset
      class="colour-bar"
      aria-label={t("gradients.colours")}
      ref={box}
      style={{ background: gradientOf(colours, (share) => bar.placeOf(low * (high / low) ** share)) }}
      onPointerDown={grab}
      onPointerMove={(event) => {
        if (box.current?.hasPointerCapture(event.pointerId)) follow(event);
      }}
      onDblClick={() => choose(null)}
    >
      {ENDS.map((end) => (
        <Handle key={end} {...props} end={end} place={places[end]} move={move} />
      ))}
    </fieldset>
  );
}
