/** The range of steps that all charts show: two numbers, a way back, and what came in meanwhile. */
import { useEffect, useState } from "preact/hooks";
import type { RunSummary } from "../data/types";
import { between, currentZoom, type Range, setZoom, useAxis, useSettledZoom } from "../data/zoom";
import { useText } from "../i18n";
import { formatInteger, formatSteps } from "../text/numbers";

const QUIET_MS = 60;

/** Steps that arrived behind the range since it was chosen. */
function useNewSteps(zoom: Range | null, last: number): number {
  const [seen, setSeen] = useState(last);
  useEffect(() => setSeen(last), [zoom]);
  return zoom ? last - seen : 0;
}

/** A number that new records do not overwrite while it is being typed. */
function Bound(props: { label: string; value: number; change: (value: number) => void }) {
  const [draft, setDraft] = useState<string | null>(null);
  const commit = () => {
    const value = Number(draft);
    if (draft !== null && draft !== "" && Number.isFinite(value)) props.change(value);
    setDraft(null);
  };
  return (
    <input
      type="number"
      class="bound"
      aria-label={props.label}
      value={draft ?? props.value}
      step={1}
      onInput={(event) => setDraft(event.currentTarget.value)}
      onKeyDown={(event) => {
        if (event.key === "Enter") commit();
      }}
      onBlur={commit}
    />
  );
}

/** Runs that are aligned by something else than steps have no common steps to show. */
function OtherAxis({ zoom }: { zoom: Range | null }) {
  const { t } = useText();
  if (!zoom) return null;
  return (
    <button type="button" onClick={() => setZoom(null)}>
      {t("bar.all")}
    </button>
  );
}

export function StepRange({ run }: { run: RunSummary }) {
  const { t, lang } = useText();
  const axis = useAxis();
  const zoom = useSettledZoom(QUIET_MS);
  const fresh = useNewSteps(zoom, run.last_step ?? 0);
  if (run.first_step === null || run.last_step === null) return null;
  if (axis !== "step") return <OtherAxis zoom={zoom} />;
  const extent: Range = [run.first_step, run.last_step];
  const [from, to] = zoom ?? extent;
  const [first, last] = [Math.ceil(from), Math.floor(to)];
  // The other end is the one in force now: the settled range is a moment behind.
  const inForce = () => currentZoom() ?? extent;
  return (
    <fieldset class="range" aria-label={t("bar.steps")}>
      {t("bar.steps")}{" "}
      <Bound
        label={t("bar.from")}
        value={first}
        change={(at) => setZoom(between([at, inForce()[1]], extent))}
      />
      {" – "}
      <Bound label={t("bar.to")} value={last} change={(at) => setZoom(between([inForce()[0], at], extent))} />{" "}
      {zoom ? (
        <button type="button" onClick={() => setZoom(null)}>
          {t("bar.reset", { steps: formatSteps(extent[0], extent[1], lang) })}
        </button>
      ) : null}
      {fresh > 0 ? <span class="muted"> {t("bar.fresh", { count: formatInteger(fresh, lang) })}</span> : null}
    </fieldset>
  );
}
