import { expect, test } from "vitest";
import { edgeOf, histogramsOf, PACKED, quantileOf, usedBins } from "../src/data/histogram";
import { colourOf } from "../src/views/layers/Spread";
import { makeTable } from "./make";

/** As `tb_lossdiag.quantities.packed_shares` packs 0.5 zeros, 0.25 in bin 19, 0.125 in bin 20 and 1/512 in the last. */
const GOLDEN = [236.0, 0.0, 0.0, 0.0, 0.0, 0.0, 14221312.0, 198.0, 0.0, 0.0, 5439488.0];

test("what the recorder packs is unpacked", () => {
  expect(GOLDEN).toHaveLength(PACKED.length);
  const all = histogramsOf(GOLDEN.map((value) => makeTable([[Number.NaN, value]])));
  expect(all).toHaveLength(1);
  const [only] = all;
  expect(only?.step).toBe(10);
  expect(only?.zeros).toBeCloseTo(0.5, 1);
  expect(only?.shares[19]).toBeCloseTo(0.25, 2);
  expect(only?.shares[20]).toBeCloseTo(0.125, 2);
  expect(only?.shares[31]).toBeCloseTo(1 / 512, 4);
  expect(only?.shares.filter((share) => share > 0)).toHaveLength(3);
});

test("bins have edges of half a decade, the first begins at 0", () => {
  expect([edgeOf(0), edgeOf(1), edgeOf(3), edgeOf(25)]).toEqual([0, 1e-12, 1e-11, 1]);
});

test("a quantile is the upper edge of the bin in which it is reached", () => {
  const shares = Array.from({ length: 32 }, (_, bin) => (bin === 3 ? 0.3 : bin === 5 ? 0.3 : 0));
  const one = { step: 0, zeros: 0.4, shares };
  expect([0.1, 0.5, 0.9].map((share) => quantileOf(one, share))).toEqual([0, edgeOf(4), edgeOf(6)]);
  expect(usedBins([one])).toEqual([2, 6]);
});

test("colours go from one element of the sample to all of it", () => {
  expect([colourOf(1 / 512), colourOf(1), colourOf(1e-9)]).toEqual([0, 255, 0]);
});
