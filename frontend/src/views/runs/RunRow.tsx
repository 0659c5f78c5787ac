/** One run in the list: its state, what leads, the course of its loss. */
import { type RunSummary, toNumber } from "../../data/types";
import type { Place } from "../../host/hash";
import type { Go } from "../../host/place";
import { useText } from "../../i18n";
import { PlaceLink } from "../../parts/PlaceLink";
import { Counts, StatusChip } from "../../parts/Status";
import { ago, momentOf } from "../../text/age";
import { formatInteger, formatValue } from "../../text/numbers";
import { RunSpark } from "./RunSpark";
import { checksOf } from "./runOrder";

interface Props {
  run: RunSummary;
  /** Under the heading of its group. */
  inside: boolean;
  selected: boolean;
  /** Whether it is one of those that are to be compared. */
  ticked: boolean;
  tick: (run: string) => void;
  /** Of the row in the whole table. */
  index: number;
  place: Place;
  go: Go;
}

function Newest({ walltime }: { walltime: number | null }) {
  const { t, lang } = useText();
  if (walltime === null) return <>–</>;
  const exact = momentOf(walltime, lang);
  return <span title={exact}>{ago(walltime, Date.now() / 1000, lang) ?? t("runs.ago.now")}</span>;
}

function Said({ run }: { run: RunSummary }) {
  const said = run.problem ?? run.top.replaceAll("`", "");
  return said === "" ? null : (
    <span class="muted said" title={said}>
      {said}
    </span>
  );
}

export function RunRow({ run, inside, selected, ticked, tick, index, place, go }: Props) {
  const { t, lang } = useText();
  const checks = checksOf(run);
  const unknown = run.status === "reading";
  return (
    <tr class={`run-row${selected ? " selected" : ""}${inside ? " inside" : ""}`} aria-rowindex={index}>
      <th scope="row" title={run.run}>
        <input
          type="checkbox"
          class="tick"
          checked={ticked}
          disabled={run.problem !== null}
          aria-label={t("runs.tick", { run: run.run })}
          title={t("runs.tick", { run: run.run })}
          onChange={() => tick(run.run)}
        />
        <PlaceLink place={place} change={{ run: run.run, f: "", layer: "" }} go={go} current={selected}>
          {run.run}
        </PlaceLink>
        <Said run={run} />
      </th>
      <td class="col-status">
        <StatusChip status={run.status} />
      </td>
      <td class="col-findings">{unknown ? "–" : <Counts counts={run.counts} />}</td>
      <td class="number col-steps">{unknown ? "–" : formatInteger(run.steps, lang)}</td>
      <td class="number col-loss">
        <RunSpark curve={run.curve} /> {formatValue(toNumber(run.loss), lang)}
      </td>
      <td class="col-lastData">
        <Newest walltime={run.last_walltime} />
      </td>
      <td class="col-checks">{checks.all === 0 ? t("runs.noChecks") : t("runs.checksOf", checks)}</td>
    </tr>
  );
}
