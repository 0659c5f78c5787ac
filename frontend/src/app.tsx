/** Entry of the plugin: TensorBoard imports this module into the frame and calls `render()` once. */
import { render as mount } from "preact";
import { addStyles } from "./styles";
import { App } from "./views/App";

export function render(): void {
  addStyles();
  document.body.replaceChildren();
  mount(<App />, document.body);
}
