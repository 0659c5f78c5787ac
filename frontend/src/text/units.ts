/** Units beside the names of quantities. */

/** Ratios have the unit 1, which nobody writes. */
export function withUnit(name: string, unit: string): string {
  return unit === "" || unit === "1" || unit === name ? name : `${name} (${unit})`;
}
