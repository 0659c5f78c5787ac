/** One menu for what can be done with a chart: how it is read, its numbers, saving it, seeing it large. */
import type { ComponentChildren } from "preact";
import { type Pin, pinName, togglePin, usePins } from "../data/pins";
import { PLACES, usePlaces, useSmoothing } from "../data/reading";
import { useText } from "../i18n";
import { Menu } from "./Menu";
import { Pick } from "./Pick";

interface Props {
  /** Null where the axis cannot be logarithmic. */
  log: boolean | null;
  setLog: (log: boolean) => void;
  /** Whether its lines can be smoothed. */
  smooth: boolean;
  /** Whether times of its steps are known. */
  times: boolean;
  tabled: boolean;
  setTabled: (tabled: boolean) => void;
  wide: boolean;
  setWide: (wide: boolean) => void;
  pin?: Pin | undefined;
  /** Buttons that save it. */
  children: ComponentChildren;
}

function Smoothing() {
  const { t } = useText();
  const [weight, choose] = useSmoothing();
  return (
    <label>
      {t("chart.smooth")}{" "}
      <input
        type="range"
        min={0}
        max={0.99}
        step={0.01}
        value={weight}
        onInput={(event) => choose(Number(event.currentTarget.value))}
      />{" "}
      {weight}
    </label>
  );
}

function Places() {
  const { t } = useText();
  const [places, choose] = usePlaces();
  return (
    <Pick
      label={t("chart.axis")}
      value={places}
      options={PLACES}
      name={(each) => t(`chart.axis.${each}`)}
      choose={choose}
    />
  );
}

function PinButton({ pin }: { pin: Pin }) {
  const { t } = useText();
  const pinned = usePins().some((each) => pinName(each) === pinName(pin));
  return (
    <button type="button" aria-pressed={pinned} onClick={() => togglePin(pin)}>
      {t("pins.pin")}
    </button>
  );
}

export function PlotMenu(props: Props) {
  const { log, setLog, smooth, times, tabled, setTabled, wide, setWide } = props;
  const { t } = useText();
  return (
    <Menu label={t("chart.menu")}>
      {log === null ? null : (
        <label>
          <input type="checkbox" checked={log} onChange={() => setLog(!log)} /> {t("chart.log")}
        </label>
      )}
      {smooth ? <Smoothing /> : null}
      {times ? <Places /> : null}
      <button type="button" aria-pressed={tabled} onClick={() => setTabled(!tabled)}>
        {t("chart.table")}
      </button>
      <button type="button" aria-pressed={wide} onClick={() => setWide(!wide)}>
        {t("chart.wide")}
      </button>
      {props.pin ? <PinButton pin={props.pin} /> : null}
      {props.children}
    </Menu>
  );
}
