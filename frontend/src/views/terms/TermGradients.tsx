/** What each term asks of the parameters: its share of the gradient, and whether the terms agree. */
import { useMemo } from "preact/hooks";
import { extentOf } from "../../data/extent";
import type { Table } from "../../data/table";
import type { Tables } from "../../data/tables";
import { useText } from "../../i18n";
import { CodeBlock } from "../../parts/Copy";
import { LinePlot } from "../../parts/LinePlot";
import { Missing } from "../../parts/States";
import type { ViewProps } from "../context";
import { Conflict } from "./Conflict";
import { plain, shares } from "./decompose";
import { linesOf, withRest } from "./termLines";
import { bySize, MOST, type Sized } from "./together";

const WHOLE: [number, number] = [0, 1];

/** What has to be written to have the gradients of each term. */
const DECOMPOSE = `terms = {"recon": recon, "kl": 0.1 * kl}
writer.decompose(terms, at=shared)  # before loss.backward(); shared: the last layer that all terms pass`;

/** What each term asks of the parameters, and whether they agree; said once how to have it where it was not recorded. */
export function TermGradients({
  tables,
  sized,
  run,
  theme,
}: Pick<ViewProps, "run" | "theme"> & { tables: Tables; sized: Sized[] }) {
  const { t } = useText();
  const [norms, cosines] = [tables.get("term_gradient_norm"), tables.get("term_cosine")];
  if (!norms && !cosines) {
    return (
      <section>
        <h3>{t("conflict.heading")}</h3>
        <Missing quantity="term_cosine" />
        <CodeBlock text={DECOMPOSE} />
      </section>
    );
  }
  return (
    <>
      <GradientShares table={norms} sized={sized} run={run} theme={theme} />
      <Conflict table={cosines} run={run} theme={theme} />
    </>
  );
}

/** What the optimizer sees of each term. */
function GradientShares({
  table,
  sized,
  run,
  theme,
}: Pick<ViewProps, "run" | "theme"> & { table: Table | undefined; sized: Sized[] }) {
  const { t, lang } = useText();
  const lines = useMemo(() => {
    if (!table) return [];
    const parts = shares(plain(table));
    // A term keeps the colour that it has in the loss.
    const known = new Set(sized.map(({ name }) => name));
    const all = [...sized, ...bySize(parts).filter(({ name }) => !known.has(name))];
    const first = new Set(all.slice(0, MOST).map(({ name }) => name));
    return linesOf(withRest(parts, { sized: all, shown: first, rest: true }, t), all);
  }, [table, sized, lang]);
  return (
    <section>
      <h3>{t("terms.gradientShare")}</h3>
      {lines.length === 0 ? (
        <Missing quantity="term_gradient_norm" />
      ) : (
        <LinePlot
          lines={lines}
          theme={theme}
          label={t("terms.gradientShare")}
          about={run.run}
          extent={extentOf(run)}
          height={200}
          legend={false}
          title=""
          stacked
          percent
          bounds={WHOLE}
        />
      )}
    </section>
  );
}
