/** Colours of the charts for one theme; the same values as the style sheet's variables where both exist. */
import type { Severity } from "../data/types";
import type { Theme } from "../host/theme";

export interface Palette {
  text: string;
  muted: string;
  grid: string;
  background: string;
  series: string[];
  severity: Record<Severity, string>;
  zero: string;
}

const LIGHT: Palette = {
  text: "#1f2328",
  muted: "#57606a",
  grid: "#e1e4e8",
  background: "#ffffff",
  series: ["#1f6feb", "#b35900", "#1a7f37", "#8250df", "#bf3989", "#0b7285", "#7a5c00", "#57606a"],
  severity: { error: "#c5221f", warning: "#9a5b00", info: "#1967d2" },
  zero: "#6e7781",
};

const DARK: Palette = {
  text: "#e6e6e6",
  muted: "#b4b9be",
  grid: "#4a4a4a",
  background: "#303030",
  series: ["#79b8ff", "#ffab70", "#7ee08c", "#d2a8ff", "#ff9bce", "#5bd1d7", "#e3c65b", "#c9d1d9"],
  severity: { error: "#ff8f88", warning: "#ffb74d", info: "#8ab4f8" },
  zero: "#b4b9be",
};

export function paletteOf(theme: Theme): Palette {
  return theme === "dark" ? DARK : LIGHT;
}
