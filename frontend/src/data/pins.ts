/** Charts that somebody pinned: kept in this browser, shown above every view, of whichever run is looked at. */
import { recall, remember } from "../host/storage";
import { useShared } from "./reading";
import { shared } from "./shared";

/** What a pinned chart draws: a line per quantity, of one column where there are several. */
export interface Pin {
  quantities: readonly string[];
  column: string;
}

const KEPT = "pins";

function isPin(value: unknown): value is Pin {
  const { quantities, column } = (value ?? {}) as Partial<Pin>;
  return (
    Array.isArray(quantities) &&
    quantities.every((each) => typeof each === "string") &&
    typeof column === "string"
  );
}

export function readPins(): readonly Pin[] {
  try {
    const kept: unknown = JSON.parse(recall(KEPT) ?? "[]");
    return Array.isArray(kept) ? kept.filter(isPin) : [];
  } catch {
    return []; // what is no JSON was not written here
  }
}

export function pinName({ quantities, column }: Pin): string {
  return JSON.stringify([quantities, column]);
}

const pins = shared(readPins());

/** Pins a chart, or takes it down again. */
export function togglePin(pin: Pin): void {
  const others = pins.get().filter((each) => pinName(each) !== pinName(pin));
  const next = others.length < pins.get().length ? others : [...others, pin];
  remember(KEPT, JSON.stringify(next));
  pins.set(next);
}

export function usePins(): readonly Pin[] {
  return useShared(pins);
}
