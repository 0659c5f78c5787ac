/** Colour tables: ordered in lightness, readable with every colour vision; one of two directions for ratios. */

const ANCHORS = {
  // matplotlib's, public domain
  viridis: [
    0x440154, 0x481a6c, 0x472f7d, 0x414487, 0x39568c, 0x31688e, 0x2a788e, 0x23888e, 0x1f988b, 0x22a884,
    0x35b779, 0x54c568, 0x7ad151, 0xa5db36, 0xd2e21b, 0xfde725,
  ],
  cividis: [
    0x00224e, 0x123570, 0x3b496c, 0x575d6d, 0x707173, 0x8a8678, 0xa59c74, 0xc3b369, 0xe1cc55, 0xfee838,
  ],
  grey: [0x1a1a1a, 0xf2f2f2],
  // ColorBrewer's PuOr turned round: violet below, orange above, pale in the middle
  diverging: [
    0x2d004b, 0x542788, 0x8073ac, 0xb2abd2, 0xd8daeb, 0xf7f7f7, 0xfee0b6, 0xfdb863, 0xe08214, 0xb35806,
    0x7f3b08,
  ],
} as const;

export type Colours = keyof typeof ANCHORS;
export const SEQUENTIAL = ["viridis", "cividis", "grey"] as const satisfies readonly Colours[];

function channel(colour: number, shift: number): number {
  return (colour >> shift) & 255;
}

/** One pixel as the little-endian words of an ImageData hold it. */
export function pixel(red: number, green: number, blue: number): number {
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

function between(anchors: readonly number[], share: number): number {
  const at = share * (anchors.length - 1);
  const left = Math.min(Math.floor(at), anchors.length - 2);
  const part = at - left;
  const [from = 0, to = 0] = [anchors[left], anchors[left + 1]];
  const [red = 0, green = 0, blue = 0] = [16, 8, 0].map((shift) =>
    Math.round(channel(from, shift) * (1 - part) + channel(to, shift) * part),
  );
  return pixel(red, green, blue);
}

const made = new Map<Colours, Uint32Array>();

/** 256 pixels from the smallest to the largest value. */
export function lutOf(colours: Colours): Uint32Array {
  const known = made.get(colours);
  if (known) return known;
  const table = Uint32Array.from({ length: 256 }, (_, index) => between(ANCHORS[colours], index / 255));
  made.set(colours, table);
  return table;
}

/** The colours from the smallest to the largest value, evenly spaced. */
export function anchorsOf(colours: Colours): string[] {
  return ANCHORS[colours].map((colour) => `#${colour.toString(16).padStart(6, "0")}`);
}

/** The same colours as a CSS gradient for the colour bar; `placeOf` says where on it a share of the colours lies. */
export function gradientOf(colours: Colours, placeOf: (share: number) => number): string {
  const anchors = ANCHORS[colours];
  const stops = anchors.map((colour, at) => {
    const place = (100 * placeOf(at / (anchors.length - 1))).toFixed(2);
    return `#${colour.toString(16).padStart(6, "0")} ${place}%`;
  });
  return `linear-gradient(to right, ${stops.join(", ")})`;
}
