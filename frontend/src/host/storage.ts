/** Browser storage that may be blocked (third-party frames): then nothing is remembered. */

const PREFIX = "lossdiag.";

export function remember(key: string, value: string): void {
  try {
    localStorage.setItem(PREFIX + key, value);
  } catch {
    // Storage is blocked: the choice holds until the page is closed.
  }
}

export function recall(key: string): string | null {
  try {
    return localStorage.getItem(PREFIX + key);
  } catch {
    return null;
  }
}

/** The ends of the keys that begin so. */
export function remembered(beginning: string): string[] {
  try {
    const whole = PREFIX + beginning;
    return Object.keys(localStorage)
      .filter((key) => key.startsWith(whole))
      .map((key) => key.slice(whole.length));
  } catch {
    return [];
  }
}

/** Whether single letters act as keys; people who dictate or tremble can switch them off (WCAG 2.1.4). */
export function keysOn(): boolean {
  return recall("keys") !== "off";
}
