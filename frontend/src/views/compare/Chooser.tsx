/** Which runs are compared: those that suggest themselves are one click away, any other is found by typing. */
import type { RunSummary } from "../../data/types";
import { writeNames } from "../../host/hash";
import { useText } from "../../i18n";
import { NamePick } from "../../parts/NamePick";
import { StatusChip } from "../../parts/Status";
import type { ViewProps } from "../context";
import { MOST } from "./compared";
import { LEAST } from "./factors";
import { partnersOf } from "./partners";
import { RunLetter } from "./RunLegend";

type Props = ViewProps & { chosen: RunSummary[] };

function Suggested({ run, runs, chosen, add }: Props & { add: (name: string) => void }) {
  const { t } = useText();
  const partners = partnersOf(run, runs.runs).filter(({ run: other }) => !chosen.includes(other));
  if (partners.length === 0) return null;
  return (
    <div class="controls suggested">
      <span class="muted">{t("compare.suggested")}</span>
      {partners.map(({ run: other, reason }) => (
        <button type="button" key={other.run} onClick={() => add(other.run)}>
          <span class="muted">{t(`compare.reason.${reason}`)}</span> {other.run}{" "}
          <StatusChip status={other.status} />
        </button>
      ))}
    </div>
  );
}

export function Chooser(props: Props) {
  const { runs, run, go, chosen } = props;
  const { t } = useText();
  const names = chosen.map((entry) => entry.run);
  const others = runs.runs.filter((entry) => !names.includes(entry.run) && entry.problem === null);
  const set = (next: string[]) => go({ cmp: writeNames(next.filter((name) => name !== run.run)) });
  const add = (name: string) => set([...names, name]);
  return (
    <>
      <div class="controls">
        {chosen.map((entry, at) => (
          <span class="chosen" key={entry.run}>
            <RunLetter at={at} /> {entry.run} <StatusChip status={entry.status} />{" "}
            {at > 0 ? (
              <button
                type="button"
                aria-label={t("compare.remove", { run: entry.run })}
                title={t("compare.remove", { run: entry.run })}
                onClick={() => set(names.filter((name) => name !== entry.run))}
              >
                ×
              </button>
            ) : null}
          </span>
        ))}
        {chosen.length < MOST && others.length > 0 ? (
          <NamePick
            label={t("compare.add")}
            placeholder={t("compare.choose")}
            names={others.map((entry) => entry.run)}
            pick={add}
          />
        ) : null}
      </div>
      {chosen.length < LEAST ? <Suggested {...props} add={add} /> : null}
    </>
  );
}
