/** Dark or light: TensorBoard marks its body with a class and tells plugins nothing, so we watch the class. */
import { useEffect, useState } from "preact/hooks";
import { hostWindow } from "./window";

export type Theme = "light" | "dark";

function currentTheme(): Theme {
  const host = hostWindow();
  if (host !== window) return host.document.body.classList.contains("dark-mode") ? "dark" : "light";
  return window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

function watchTheme(changed: () => void): () => void {
  const host = hostWindow();
  if (host !== window) {
    const observer = new MutationObserver(changed);
    observer.observe(host.document.body, { attributes: true, attributeFilter: ["class"] });
    return () => observer.disconnect();
  }
  const query = window.matchMedia("(prefers-color-scheme: dark)");
  query.addEventListener("change", changed);
  return () => query.removeEventListener("change", changed);
}

/** The theme in force; also sets it on the document for the style sheet. */
export function useTheme(): Theme {
  const [theme, setTheme] = useState(currentTheme);
  useEffect(() => watchTheme(() => setTheme(currentTheme())), []);
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
  }, [theme]);
  return theme;
}
