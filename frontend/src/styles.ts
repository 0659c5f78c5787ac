/** The style sheet, added from the script: the plugin serves no CSS file. */
import charts from "./styles/charts.css?inline";
import controls from "./styles/controls.css?inline";
import findings from "./styles/findings.css?inline";
import heat from "./styles/heat.css?inline";
import layout from "./styles/layout.css?inline";
import overview from "./styles/overview.css?inline";
import shell from "./styles/shell.css?inline";
import tokens from "./styles/tokens.css?inline";

export function addStyles(): void {
  const sheet = document.createElement("style");
  sheet.textContent = [tokens, layout, controls, shell, overview, findings, charts, heat].join("\n");
  document.head.append(sheet);
}
