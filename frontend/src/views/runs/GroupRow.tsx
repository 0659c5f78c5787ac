/** The heading of a group: what is wrong, in how many runs, what they have in common, the worst of them beside the best of all. */
import type { RunSummary } from "../../data/types";
import { toNumber } from "../../data/types";
import { type Place, writeNames } from "../../host/hash";
import type { Go } from "../../host/place";
import { useText } from "../../i18n";
import { PlaceLink } from "../../parts/PlaceLink";
import { SeverityMark, StatusChip } from "../../parts/Status";
import { useFactName } from "../../text/facts";
import { formatInteger, formatSteps, formatValue } from "../../text/numbers";
import type { Trait } from "./features";
import type { Group, Grouping } from "./groups";
import { COLUMNS } from "./runOrder";

/** Runs that stand for a group which has nothing in common. */
const NAMED = 5;

interface Props {
  group: Group;
  by: Grouping;
  /** The best of all runs. */
  best: RunSummary | undefined;
  /** Runs that are listed. */
  all: number;
  open: boolean;
  toggle: () => void;
  index: number;
  place: Place;
  go: Go;
}

/** "every lr=10.0 (60), lr=1.0 + opt=adam (29 of 30)". */
function Traits({ traits, size, all }: { traits: Trait[]; size: number; all: number }) {
  const { t, lang } = useText();
  const number = (value: number) => formatInteger(value, lang);
  const factName = useFactName();
  // A part of a name stands as its owner wrote it, what was recorded in words.
  const told = (feature: string) => {
    const [, name, value] = /^(.+?): (.*)$/.exec(feature) ?? [];
    return name && value !== undefined ? `${factName(name)} ${value}` : feature;
  };
  return (
    <>
      {traits.map(({ features, here, all: holders }) => {
        const what = features.map(told).join(" + ");
        const numbers = { what, here: number(here), all: number(holders) };
        const others = number(holders - here);
        return (
          <span
            class="trait"
            key={what}
            title={t("groups.traitWhole", {
              ...numbers,
              size: number(size),
              others,
              rest: number(all - size),
            })}
          >
            {t(here === holders ? "groups.every" : "groups.some", numbers)}
          </span>
        );
      })}
    </>
  );
}

function Name({ group, by }: Pick<Props, "group" | "by">) {
  const { t } = useText();
  const { cause, name } = group;
  if (by !== "folder" && !cause) return null; // its state says it
  if (cause) {
    return (
      <>
        {cause.code} <strong>{cause.title}</strong>
      </>
    );
  }
  return <strong>{name || t("groups.top")}</strong>;
}

function Links({ group, best, place, go }: Pick<Props, "group" | "best" | "place" | "go">) {
  const { t, lang } = useText();
  const { worst } = group;
  if (!worst) {
    const own = group.best;
    if (!own) return null;
    const loss = formatValue(toNumber(own.loss), lang);
    return (
      <PlaceLink place={place} change={{ run: own.run, f: "", layer: "" }} go={go}>
        {t("groups.best", { run: own.run, loss })}
      </PlaceLink>
    );
  }
  const against = {
    run: worst.run,
    view: "compare" as const,
    cmp: writeNames(best ? [best.run] : []),
    f: "",
  };
  return (
    <>
      <PlaceLink place={place} change={{ run: worst.run, f: "", layer: "" }} go={go}>
        <span title={worst.run}>{t("groups.worst")}</span>
      </PlaceLink>
      {best ? (
        <PlaceLink place={place} change={against} go={go}>
          <span title={`${worst.run} / ${best.run}`}>{t("groups.against")}</span>
        </PlaceLink>
      ) : null}
    </>
  );
}

export function GroupRow({ group, by, best, all, open, toggle, index, place, go }: Props) {
  const { t, lang } = useText();
  const { severity, runs, since } = group;
  const state = runs[0]?.status ?? "reading";
  return (
    <tr class={`group-row ${severity ? `edge-${severity}` : "edge-none"}`} aria-rowindex={index}>
      <th scope="rowgroup" colSpan={COLUMNS.length}>
        <div class="group-line">
          <button type="button" class="plain group-toggle" aria-expanded={open} onClick={toggle}>
            <span aria-hidden="true">{open ? "▾ " : "▸ "}</span>
            {severity ? <SeverityMark severity={severity} /> : <StatusChip status={state} />}{" "}
            <Name group={group} by={by} />{" "}
            <span class="group-count">{t("groups.runs", { count: runs.length })}</span>
          </button>
          <span class="group-links">
            {since ? (
              <span class="muted group-since">
                {t("groups.since", { steps: formatSteps(since[0], since[1], lang) })}
              </span>
            ) : null}
            <Links group={group} best={best} place={place} go={go} />
          </span>
        </div>
        <div class="group-traits muted">
          {group.traits.length > 0 ? (
            <Traits traits={group.traits} size={runs.length} all={all} />
          ) : state === "reading" ? (
            t("groups.waiting")
          ) : (
            runs
              .slice(0, NAMED)
              .map(({ run }) => run)
              .join(" · ")
          )}
        </div>
      </th>
    </tr>
  );
}
