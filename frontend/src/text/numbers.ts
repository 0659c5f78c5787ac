/** How numbers are written: never "0.00", never "12k", small and large ones the way people type them. */

const LARGE = 1e5;
const SMALL = 1e-3;
const TINY = 1e-8;

function special(value: number): string | null {
  if (Number.isNaN(value)) return "NaN";
  if (value === Number.POSITIVE_INFINITY) return "Inf";
  if (value === Number.NEGATIVE_INFINITY) return "-Inf";
  return value === 0 ? "0" : null;
}

/** Mantissa and exponent without padding: 3.2e-5. */
function scientific(value: number, digits = 3): string {
  const [mantissa = "", exponent = "0"] = value.toExponential(digits - 1).split("e");
  return `${Number(mantissa)}e${Number(exponent)}`;
}

/** A measured value with three significant digits, or more where values lie close together. */
export function formatValue(value: number | null, lang = "en", digits = 3): string {
  if (value === null) return "–";
  const word = special(value);
  if (word !== null) return word;
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e9) return formatInteger(value, lang);
  if (size >= LARGE || size < SMALL) return scientific(value, digits);
  const shown = Math.max(digits, size >= 1000 ? 4 : 3);
  return new Intl.NumberFormat(lang, { maximumSignificantDigits: shown }).format(value);
}

/** A step or a count, grouped, never shortened. */
export function formatInteger(value: number | null, lang = "en"): string {
  if (value === null) return "–";
  return special(value) ?? new Intl.NumberFormat(lang, { maximumFractionDigits: 0 }).format(value);
}

/** A share in percent; what is not zero is not shown as zero. */
export function formatPercent(share: number | null, lang = "en"): string {
  if (share === null) return "–";
  const word = special(share);
  if (word !== null) return word === "0" ? "0 %" : word;
  const percent = share * 100;
  if (Math.abs(percent) < TINY) return `<${TINY} %`;
  if (Math.abs(percent) < 0.1) return `${scientific(percent)} %`;
  return `${new Intl.NumberFormat(lang, { maximumFractionDigits: percent >= 10 ? 0 : 1 }).format(percent)} %`;
}

/** "500", or "500 – 900" for a range. */
export function formatSteps(first: number | null, last: number | null, lang = "en"): string {
  if (first === null || last === null) return "–";
  const from = formatInteger(first, lang);
  return first === last ? from : `${from} – ${formatInteger(last, lang)}`;
}

/** Hours, minutes and seconds, which every language writes alike: 1:02:30. */
export function formatDuration(seconds: number): string {
  const whole = Math.round(Math.abs(seconds));
  const two = (value: number) => String(value).padStart(2, "0");
  const text = `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
  return seconds < 0 && whole > 0 ? `-${text}` : text;
}

/** Steps before and after something: -20, 0, +20. */
export function formatOffset(steps: number, lang = "en"): string {
  return new Intl.NumberFormat(lang, { maximumFractionDigits: 0, signDisplay: "exceptZero" }).format(steps);
}
