/** Small changes to words and numbers in a sentence. */
import { formatValue } from "./numbers";

const NAME_END = 60;

/** A name of the user's, short enough to be read out. */
export function spoken(name: string): string {
  return name.length > NAME_END ? `…${name.slice(-NAME_END)}` : name;
}

/** A sentence's first letter; scripts without capitals stay as they are. */
export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

const CODE = /`[^`]*`|\bwriter\.\w+(?:\([^()]*\))?|\badd_diagnostics\b|\b[a-z_]+=(?:True|…)?(?![\w=])/g;

/** Calls and arguments in a sentence that says what to do, marked as code where they are not. */
export function marked(text: string): string {
  return text.replace(CODE, (found) => (found.startsWith("`") ? found : `\`${found}\``));
}

/** "3 % larger" and the like are not for tables: a factor with a times sign. */
export function times(value: number, lang: string): string {
  return `×${formatValue(Number(value.toPrecision(3)), lang)}`;
}
