/** Deep links: our keys inside the TensorBoard page's location hash. */

export const VIEWS = [
  "overview",
  "findings",
  "gradients",
  "terms",
  "clipping",
  "activations",
  "compare",
  "report",
] as const;
export type View = (typeof VIEWS)[number];

/** What a link to this page can say; every part is optional. */
export interface Place {
  run?: string;
  view?: View;
  /** Identifier of the finding that is open. */
  f?: string;
  /** The part of it that is read first: "evidence" or "fix". */
  part?: string;
  lang?: string;
  layer?: string;
  /** Range of steps in view: "6000-7500". */
  x?: string;
  /** Quantity of the heat map. */
  stat?: string;
  /** Its scale. */
  scale?: string;
  /** Other runs to compare with, each encoded, with commas. */
  cmp?: string;
  /** What they are aligned by. */
  align?: string;
  /** Which runs are listed: words or /expression/, state, cause, folder; and how they are grouped. */
  q?: string;
  state?: string;
  cause?: string;
  folder?: string;
  group?: string;
}

const PREFIX = "p.lossdiag.";
const KEYS = [
  "run",
  "view",
  "f",
  "part",
  "lang",
  "layer",
  "x",
  "stat",
  "scale",
  "cmp",
  "align",
  "q",
  "state",
  "cause",
  "folder",
  "group",
] as const;

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a hand-edited link with a stray percent sign
  }
}

/** Reads our keys; unknown keys and unknown views are ignored. */
export function readPlace(hash: string): Place {
  const place: Place = {};
  for (const part of hash.replace(/^#/, "").split("&")) {
    const cut = part.indexOf("=");
    const name = cut < 0 ? "" : part.slice(0, cut);
    const key = KEYS.find((candidate) => name === PREFIX + candidate);
    if (!key) continue;
    const value = decode(part.slice(cut + 1));
    if (key !== "view") place[key] = value;
    else if ((VIEWS as readonly string[]).includes(value)) place.view = value as View;
  }
  return place;
}

/** The hash with our keys replaced; everything that is not ours stays as it was. */
export function writePlace(hash: string, place: Place): string {
  const others = hash
    .replace(/^#/, "")
    .split("&")
    .filter((part) => part !== "" && !part.startsWith(PREFIX));
  if (others.length === 0) others.push("lossdiag");
  const ours = KEYS.filter((key) => place[key] !== undefined && place[key] !== "").map(
    (key) => `${PREFIX}${key}=${encodeURIComponent(place[key] ?? "")}`,
  );
  return `#${[...others, ...ours].join("&")}`;
}

/** The range of a link; null where it names none. */
export function readRange(text: string | undefined): [number, number] | null {
  const [, first, last] = /^(\d{1,15})-(\d{1,15})$/.exec(text ?? "") ?? [];
  if (first === undefined || last === undefined || Number(first) >= Number(last)) return null;
  return [Number(first), Number(last)];
}

/** Whole steps that hold the range. */
export function writeRange(range: readonly [number, number] | null): string {
  return range ? `${Math.floor(range[0])}-${Math.ceil(range[1])}` : "";
}

/** Names in one value: a name may hold commas itself. */
export function writeNames(names: readonly string[]): string {
  return names.map(encodeURIComponent).join(",");
}

export function readNames(text: string | undefined): string[] {
  return text ? text.split(",").map(decode) : [];
}
