/** What was set beside what came of it, over many runs: per setting and value how the runs are and where their losses lie. */
import { useMemo, useState } from "preact/hooks";
import type { RunSummary } from "../../data/types";
import { useText } from "../../i18n";
import { Folded } from "../../parts/Folded";
import { Pick } from "../../parts/Pick";
import { PlaceLink } from "../../parts/PlaceLink";
import { Note } from "../../parts/States";
import { useFactName } from "../../text/facts";
import { formatInteger, formatPercent, formatValue } from "../../text/numbers";
import type { ViewProps } from "../context";
import { listed, wantedOf } from "../runs/runFilter";
import {
  bestOutcome,
  byOutcome,
  type Factor,
  factorsOf,
  LEAST,
  LEVELS,
  type Level,
  measureOf,
  ranked,
  type Scale,
  scaleOf,
  type Told,
} from "./factors";

type Props = ViewProps & { chosen: RunSummary[] };

const MARKS = {
  bad: ["■", "status.broken"],
  doubtful: ["▲", "status.warning"],
  unknown: ["?", "factors.unknown"],
  good: ["✓", "status.nothing found"],
} as const;

/** How many runs are in which state, by glyph, colour and word. */
function States({ runs }: { runs: readonly Told[] }) {
  const { t, lang } = useText();
  return (
    <span class="counts">
      {LEVELS.map((level) => {
        const count = runs.filter((each) => each.level === level).length;
        const [mark, words] = MARKS[level];
        return count === 0 ? null : (
          <span key={level} class={`level level-${level}`} title={t(words)}>
            <span aria-hidden="true">{mark} </span>
            <span class="unseen">{t(words)} </span>
            {formatInteger(count, lang)}
          </span>
        );
      })}
    </span>
  );
}

const [WIDTH, HEIGHT, EDGE] = [200, 18, 6];
/** A point for a sound run, a triangle for a doubtful one, a cross for a broken one. */
const SHAPES: Record<Level, string> = {
  bad: "m-2.5-2.5l5 5m0-5l-5 5",
  doubtful: "m-3 2.5l3-5 3 5z",
  unknown: "h0",
  good: "h0",
};

/** A mark for every run where its loss lies; what is not finite stands at the right edge. */
function Strip({ runs, scale }: { runs: readonly Told[]; scale: Scale }) {
  const place = (outcome: number | null) =>
    outcome !== null && Number.isFinite(outcome)
      ? EDGE + scale.at(outcome) * (WIDTH - 4 * EDGE)
      : WIDTH - EDGE;
  return (
    <svg class="strip" width={WIDTH} height={HEIGHT} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden="true">
      <path class="strip-axis" d={`M${EDGE} ${HEIGHT - 1}H${WIDTH - 3 * EDGE}`} />
      {LEVELS.map((level) => {
        const own = runs.filter((each) => each.level === level && each.outcome !== null);
        const marks = own.map(({ outcome }) => `M${place(outcome).toFixed(1)} 9${SHAPES[level]}`);
        return <path key={level} class={`strip-${level}`} d={marks.join("")} />;
      })}
    </svg>
  );
}

interface Links {
  place: Props["place"];
  go: Props["go"];
}

interface OneProps extends Links {
  factor: Factor;
  scale: Scale | null;
}

/** What a setting is called in words; "" is the folder. */
function useSettingName(): (name: string) => string {
  const { t } = useText();
  const factName = useFactName();
  return (name) => (name === "" ? t("runs.folder") : factName(name));
}

/** So many names of settings that go together are told. */
const NAMED = 3;

function Explains({ factor }: { factor: Factor }) {
  const { t, lang } = useText();
  const nameOf = useSettingName();
  const { explains, also } = factor;
  const names = also.slice(0, NAMED).map(nameOf).join(", ") + (also.length > NAMED ? ", …" : "");
  return (
    <span class="muted">
      {explains !== null ? (
        <span title={t("factors.explainsWhole")}>
          {t("factors.explains", { share: formatPercent(Math.round(100 * explains) / 100, lang) })}
        </span>
      ) : null}{" "}
      {also.length > 0 ? (
        <span title={also.map(nameOf).join(", ")}>{t("factors.also", { names })}</span>
      ) : null}
    </span>
  );
}

function One({ factor, scale, place, go }: OneProps) {
  const { t, lang } = useText();
  const nameOf = useSettingName();
  const named = factor.names.map(nameOf).join(" + ");
  const none = factor.names[0] === "" ? t("groups.top") : "–";
  return (
    <section class="factor">
      <h3>
        <span class="factor-name">{named}</span> <Explains factor={factor} />
      </h3>
      <table>
        <thead>
          <tr>
            <th scope="col">{t("factors.value")}</th>
            <th scope="col">{t("factors.states")}</th>
            <th scope="col">{t("factors.best")}</th>
            <th scope="col">{t("factors.median")}</th>
            <th scope="col" class="strip-head">
              {scale ? (
                <>
                  <span>{formatValue(scale.least, lang)}</span>
                  <span>{scale.log ? "log" : ""}</span>
                  <span>{formatValue(scale.most, lang)}</span>
                </>
              ) : null}
            </th>
          </tr>
        </thead>
        <tbody>
          {factor.values.map(({ words, runs }) => {
            const known = byOutcome(runs);
            const [best, median] = [bestOutcome(runs), known[(known.length - 1) >> 1]];
            return (
              <tr key={words}>
                <th scope="row" title={words}>
                  {words || none}
                </th>
                <td>
                  <States runs={runs} />
                </td>
                <td class="number">
                  {best ? (
                    <PlaceLink place={place} change={{ run: best.run.run, view: "overview", f: "" }} go={go}>
                      <span title={best.run.run}>{formatValue(best.outcome, lang)}</span>
                    </PlaceLink>
                  ) : (
                    "–"
                  )}
                </td>
                <td class="number">{formatValue(median?.outcome ?? null, lang)}</td>
                <td>{scale ? <Strip runs={runs} scale={scale} /> : null}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </section>
  );
}

/** As many as fit on a screen. */
const SHOWN = 6;

function Table({ runs, place, go }: { runs: readonly RunSummary[] } & Links) {
  const { t } = useText();
  const [told, measure] = useMemo(() => {
    const measured = measureOf(runs);
    return [ranked(runs, measured), measured] as const;
  }, [runs]);
  const factors = useMemo(() => factorsOf(told), [told]);
  const scale = useMemo(() => scaleOf(told), [told]);
  if (factors.length === 0) return <Note>{t("factors.none")}</Note>;
  const [first, more] = [factors.slice(0, SHOWN), factors.slice(SHOWN)];
  const list = (own: Factor[]) => (
    <div class="factors">
      {own.map((factor) => (
        <One key={factor.names.join()} {...{ factor, scale, place, go }} />
      ))}
    </div>
  );
  return (
    <>
      <p class="muted">{t("factors.about", { count: told.length, measure: t(`factors.${measure}`) })}</p>
      {list(first)}
      {more.length > 0 ? (
        <Folded title={t("factors.more", { count: more.length })}>{list(more)}</Folded>
      ) : null}
    </>
  );
}

type Which = "all" | "listed" | "chosen";

export function Factors({ runs, chosen, place, go }: Props) {
  const { t } = useText();
  const [asked, setAsked] = useState<Which | null>(null);
  const wanted = wantedOf(place);
  const sets = useMemo(() => {
    const found: [Which, RunSummary[]][] = [["all", runs.runs]];
    const some = listed(runs.runs, wanted);
    if (some.length < runs.runs.length) found.unshift(["listed", some]);
    if (chosen.length >= LEAST) found.unshift(["chosen", chosen]);
    return new Map(found);
  }, [runs, chosen, ...Object.values(wanted)]);
  if (runs.runs.length < LEAST) return null;
  const options = [...sets.keys()];
  const which = options.find((each) => each === asked) ?? options[0] ?? "all";
  const body = (
    <>
      <div class="controls">
        <Pick
          label={t("runs.heading")}
          value={which}
          options={options}
          name={(each) => t(`factors.of.${each}`, { count: sets.get(each)?.length ?? 0 })}
          choose={setAsked}
        />
      </div>
      <Table runs={sets.get(which) ?? []} {...{ place, go }} />
    </>
  );
  // Beside two runs it is one thing more; where none is compared it is what there is to see.
  return chosen.length > 1 ? (
    <Folded title={t("factors.heading")}>{body}</Folded>
  ) : (
    <section>
      <h2>{t("factors.heading")}</h2>
      {body}
    </section>
  );
}
