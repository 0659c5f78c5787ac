/** How charts are read, the same for all of them: how smooth their lines are, and what their steps are called. */
import { useEffect, useState } from "preact/hooks";
import { recall, remember } from "../host/storage";
import { type Shared, shared } from "./shared";

/** Steps by number, by the time since the run's start, or by the time of day. */
export const PLACES = ["step", "since", "clock"] as const;
export type Places = (typeof PLACES)[number];

const MOST_SMOOTH = 0.99;

function rememberedSmoothing(): number {
  const value = Number(recall("smooth"));
  return value > 0 && value <= MOST_SMOOTH ? value : 0;
}

const smoothing = shared(rememberedSmoothing());
const places = shared<Places>(PLACES.find((each) => each === recall("places")) ?? "step");

export function useShared<T>(value: Shared<T>): T {
  const [now, set] = useState(value.get);
  useEffect(() => value.follow((next) => set(() => next)), [value]);
  return now;
}

/** Weight of what came before, 0 for the recorded values themselves. */
export function useSmoothing(): [number, (weight: number) => void] {
  const choose = (weight: number) => {
    remember("smooth", String(weight));
    smoothing.set(weight);
  };
  return [useShared(smoothing), choose];
}

export function usePlaces(): [Places, (next: Places) => void] {
  const choose = (next: Places) => {
    remember("places", next);
    places.set(next);
  };
  return [useShared(places), choose];
}

/** The step under the mouse, for the charts that it is not in. */
export const pointed = shared<number | null>(null);
