/** A chart's lines by their names, in their colours; each can be left out of the picture and put back. */
import { colourOf } from "../charts/lineSeries";
import type { LineSpec } from "../charts/spec";
import { useText } from "../i18n";

interface Props {
  /** With all lines. */
  spec: LineSpec;
  /** As they are written: short, and different from each other. */
  names: string[];
  hidden: ReadonlySet<string>;
  hide: (hidden: ReadonlySet<string>) => void;
}

export function LineNames({ spec, names, hidden, hide }: Props) {
  const { t } = useText();
  const toggle = (name: string) => {
    const next = new Set(hidden);
    if (!next.delete(name)) next.add(name);
    // One line at least stays: an empty chart says nothing.
    if (names.some((each) => !next.has(each))) hide(next);
  };
  return (
    <ul class="line-names" aria-label={t("chart.lines")}>
      {names.map((name, at) => (
        <li key={name}>
          <button type="button" aria-pressed={!hidden.has(name)} onClick={() => toggle(name)}>
            <span class="term-swatch" style={{ background: colourOf(spec, at) }} />
            {name}
          </button>
        </li>
      ))}
    </ul>
  );
}
