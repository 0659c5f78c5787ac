/** Reaching the TensorBoard window around us. It is of the same origin, except in notebooks and behind some proxies. */

/** The window whose address and theme we follow: TensorBoard's, or ours when it cannot be reached. */
export function hostWindow(): Window {
  try {
    // Reading the hash throws when the parent is of another origin.
    void window.parent.location.hash;
    return window.parent;
  } catch {
    return window;
  }
}

/** True while our tab is shown: TensorBoard keeps hidden tabs alive with a height of zero. */
export function isShown(): boolean {
  return window.innerHeight > 0 && document.visibilityState !== "hidden";
}
