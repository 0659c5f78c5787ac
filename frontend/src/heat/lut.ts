/** Viridis as a table of 256 colours, interpolated from sixteen anchors (matplotlib's, public domain). */

const ANCHORS = [
  0x440154, 0x481a6c, 0x472f7d, 0x414487, 0x39568c, 0x31688e, 0x2a788e, 0x23888e, 0x1f988b, 0x22a884,
  0x35b779, 0x54c568, 0x7ad151, 0xa5db36, 0xd2e21b, 0xfde725,
];

function channel(colour: number, shift: number): number {
  return (colour >> shift) & 255;
}

/** RGB triples, 256 of them. */
export function viridis(): Uint8Array {
  const table = new Uint8Array(256 * 3);
  for (let index = 0; index < 256; index++) {
    const at = (index / 255) * (ANCHORS.length - 1);
    const left = Math.min(Math.floor(at), ANCHORS.length - 2);
    const share = at - left;
    const [from = 0, to = 0] = [ANCHORS[left], ANCHORS[left + 1]];
    [16, 8, 0].forEach((shift, offset) => {
      const value = channel(from, shift) * (1 - share) + channel(to, shift) * share;
      table[index * 3 + offset] = Math.round(value);
    });
  }
  return table;
}

/** The same colours as a CSS gradient for the colour bar. */
export function viridisGradient(): string {
  const stops = ANCHORS.map((colour) => `#${colour.toString(16).padStart(6, "0")}`);
  return `linear-gradient(to right, ${stops.join(", ")})`;
}
