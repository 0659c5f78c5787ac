/** The style sheet, added from the script: the plugin serves no CSS file. */
import { controls } from "./styles/controls";
import { layout } from "./styles/layout";
import { more } from "./styles/more";
import { tokens } from "./styles/tokens";
import { views } from "./styles/views";

export function addStyles(): void {
  const sheet = document.createElement("style");
  sheet.textContent = tokens + layout + controls + views + more;
  document.head.append(sheet);
}
