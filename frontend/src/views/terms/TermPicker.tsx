/** Which terms are drawn, as check boxes with their colour: a legend that only the mouse can reach is none. */
import { paletteOf } from "../../charts/palette";
import { columnNamed, type Table } from "../../data/table";
import { useTheme } from "../../host/theme";
import { useText } from "../../i18n";
import { formatPercent, formatValue } from "../../text/numbers";
import { MOST, type Sized } from "./together";

interface Props {
  sized: Sized[];
  shown: ReadonlySet<string>;
  /** Whether those that are not shown are drawn as one. */
  rest: boolean;
  weights: Table | undefined;
  toggle: (name: string) => void;
  setRest: (rest: boolean) => void;
}

function Swatch({ place }: { place: number }) {
  const { series } = paletteOf(useTheme());
  return <span class="term-swatch" style={{ background: series[place % series.length] }} />;
}

/** "0.1 ×" where the term has a weight that is not 1. */
function useWeight(weights: Table | undefined, name: string): string {
  const { lang } = useText();
  const column = weights ? columnNamed(weights, name) : undefined;
  const weight = [...(column?.last ?? [])].filter(Number.isFinite).at(-1);
  return weight === undefined || weight === 1 ? "" : `${formatValue(weight, lang)} × `;
}

function Term({ term, place, ...props }: Omit<Props, "sized"> & { term: Sized; place: number }) {
  const { lang } = useText();
  const weight = useWeight(props.weights, term.name);
  return (
    <label>
      <input type="checkbox" checked={props.shown.has(term.name)} onChange={() => props.toggle(term.name)} />{" "}
      <Swatch place={place} />
      {weight}
      {term.name} <span class="muted">{formatPercent(term.share, lang)}</span>
    </label>
  );
}

/** Where the largest stand each, the smaller ones are folded away. */
export function TermPicker(props: Props) {
  const { t, lang } = useText();
  const { sized, shown, rest, setRest } = props;
  const [large, small] = [sized.slice(0, MOST), sized.slice(MOST)];
  const count = sized.filter(({ name }) => !shown.has(name)).length;
  const share = small.reduce((sum, term) => sum + term.share, 0);
  return (
    <fieldset class="terms-shown" aria-label={t("terms.shown")}>
      {large.map((term, at) => (
        <Term key={term.name} {...props} term={term} place={at} />
      ))}
      {count > 0 ? (
        <label>
          <input type="checkbox" checked={rest} onChange={() => setRest(!rest)} /> <Swatch place={MOST} />
          {t("terms.rest", { count })}
        </label>
      ) : null}
      {small.length > 0 ? (
        <details>
          <summary>{t("terms.smaller", { count: small.length, share: formatPercent(share, lang) })}</summary>
          <div class="terms-shown">
            {small.map((term, at) => (
              <Term key={term.name} {...props} term={term} place={MOST + 1 + at} />
            ))}
          </div>
        </details>
      ) : null}
    </fieldset>
  );
}
