import type { Range } from "../data/zoom";
import type { Option } from "./spec";

/** The option with the range in force, in steps, and what the axis shows behind it: a run that grows must not move the view. */
export function withZoom(option: Option, zoom: Range | null, extent: Range, tail = 0): Option {
  const zooms = option.dataZoom;
  if (!Array.isArray(zooms)) return option;
  const [startValue, last] = zoom ?? extent;
  const endValue = last + tail;
  return { ...option, dataZoom: zooms.map((entry: Option) => ({ ...entry, startValue, endValue })) };
}
