/** Runs that are not judged, by name, and why: silence would read as health. */
import type { LeftOut, Runs } from "../../data/types";
import { useText } from "../../i18n";

function Why({ left }: { left: LeftOut }) {
  const { t } = useText();
  if (left.no_descent) return <>{t("leftOut.noDescent", { tag: left.no_descent })}</>;
  const tags = left.tags.join(", ");
  return (
    <>
      {left.more > 0 ? t("leftOut.noLossOfMany", { tags, more: left.more }) : t("leftOut.noLoss", { tags })}
    </>
  );
}

export function LeftOutRuns({ runs }: { runs: Pick<Runs, "left_out" | "without_data"> }) {
  const { t } = useText();
  const { left_out: left, without_data: without } = runs;
  const count = left.length + without.length;
  const perhaps = left.find((each) => each.perhaps)?.perhaps;
  if (count === 0) return null;
  return (
    <details class="left-out" open={count <= 3}>
      <summary>{t("leftOut.heading", { count })}</summary>
      <ul>
        {left.map((each) => (
          <li key={each.run}>
            <strong>{each.run}</strong> <Why left={each} />
          </li>
        ))}
        {without.map((name) => (
          <li key={`without ${name}`}>
            <strong>{name}</strong> {t("runs.noData")}
          </li>
        ))}
      </ul>
      {left.length > 0 ? (
        <p class="muted">
          {t("leftOut.map")} <code>tb-lossdiag check --map loss={perhaps || "TAG"}</code>
        </p>
      ) : null}
    </details>
  );
}
