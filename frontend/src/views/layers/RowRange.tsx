/** Which rows of a heat map are in view while that is not all of them, with the way back. */
import type { Span } from "../../heat/span";
import { useText } from "../../i18n";
import { formatInteger, formatSteps } from "../../text/numbers";

interface Props {
  rows: number;
  span: Span | null;
  reset: () => void;
}

export function RowRange({ rows, span, reset }: Props) {
  const { t, lang } = useText();
  if (!span) return null;
  const [first, last] = [span[0] + 1, span[1]];
  return (
    <p class="row-range">
      {t("gradients.rows", { rows: formatSteps(first, last, lang), all: formatInteger(rows, lang) })}{" "}
      <button type="button" onClick={reset}>
        {t("gradients.allRows")}
      </button>
    </p>
  );
}
