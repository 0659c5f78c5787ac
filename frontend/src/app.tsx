/** Entry of the plugin: TensorBoard imports this module into the frame and calls `render()` once. */
import { render as mount } from "preact";
import { App } from "./shell/App";
import { addStyles } from "./styles";

export function render(): void {
  addStyles();
  document.body.replaceChildren();
  mount(<App />, document.body);
}
