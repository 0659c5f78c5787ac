/** Two runs as the server compares them: what a change fixed, what it brought, where curves part, what was set differently. */
import { getComparison } from "../../data/client";
import { idOf } from "../../data/findings";
import { useResource } from "../../data/resource";
import { type Comparison, type Finding, type Parting, type RunSummary, toNumber } from "../../data/types";
import type { Place } from "../../host/hash";
import type { Go } from "../../host/place";
import { gapOf, type Key, useText } from "../../i18n";
import { Folded } from "../../parts/Folded";
import { PlaceLink } from "../../parts/PlaceLink";
import { Scroll } from "../../parts/Scroll";
import { Loaded, Note } from "../../parts/States";
import { SeverityMark } from "../../parts/Status";
import { formatInteger, formatValue } from "../../text/numbers";
import { useQuantityName } from "../../text/quantities";
import { spanStart } from "../../text/spans";
import { type About, aboutOf, factValue, LETTERS, partingFirst, worstFirst } from "./compared";
import { FactsTable } from "./FactsTable";

interface Props {
  chosen: RunSummary[];
  place: Place;
  go: Go;
}

interface Entry {
  finding: Finding;
  /** The run whose finding it is. */
  at: 0 | 1;
  why?: string;
}

function Entries({ title, entries, chosen, place, go }: Props & { title: Key; entries: Entry[] }) {
  const { t, lang } = useText();
  if (entries.length === 0) return null;
  return (
    <>
      <h3>{t(title, { count: entries.length })}</h3>
      <ul>
        {worstFirst(entries).map(({ finding, at, why }) => (
          <li key={`${at} ${finding.code} ${finding.subject}`}>
            <PlaceLink
              place={place}
              change={{ run: chosen[at]?.run ?? "", view: "findings", f: idOf(finding) }}
              go={go}
            >
              <SeverityMark severity={finding.severity} /> {finding.code} {finding.title}
            </PlaceLink>{" "}
            <span class="muted">
              {[finding.subject, LETTERS[at], spanStart(t, lang, finding.first_step, finding.last_step)]
                .filter(Boolean)
                .join(" · ")}
            </span>
            {why ? <div class="muted">{why}</div> : null}
          </li>
        ))}
      </ul>
    </>
  );
}

function Findings({ found, ...props }: Props & { found: Comparison["findings"] }) {
  const { t } = useText();
  const all = [...found.fixed, ...found.new, ...found.still, ...found.unclear];
  if (all.length === 0) return <Note>{t("compare.noFindings")}</Note>;
  return (
    <>
      <Entries
        {...props}
        title="compare.fixed"
        entries={found.fixed.map((finding) => ({ finding, at: 0 }))}
      />
      <Entries {...props} title="compare.new" entries={found.new.map((finding) => ({ finding, at: 1 }))} />
      <Entries
        {...props}
        title="compare.still"
        entries={found.still.map(({ b }) => ({ finding: b, at: 1 }))}
      />
      <Entries
        {...props}
        title="compare.unclear"
        entries={found.unclear.map(({ in: side, finding, reason }) => ({
          finding,
          at: side === "a" ? 0 : 1,
          why: reason,
        }))}
      />
    </>
  );
}

function useCurveName(): (curve: Parting) => string {
  const name = useQuantityName();
  return ({ quantity, column }) => (column ? `${name(quantity)} (${column})` : name(quantity));
}

/** Those that part; the others are folded. */
function Curves({ curves }: { curves: Parting[] }) {
  const { t } = useText();
  if (curves.length === 0) return <Note>{t("compare.noCurves")}</Note>;
  const [parted, alike] = [true, false].map((yes) =>
    curves.filter((each) => (each.parts_at !== null) === yes),
  );
  return (
    <>
      {parted?.length ? <CurveTable curves={partingFirst(parted)} /> : null}
      {alike?.length ? (
        <Folded title={t("compare.alike", { count: alike.length })}>
          <CurveTable curves={alike} />
        </Folded>
      ) : null}
    </>
  );
}

function CurveTable({ curves }: { curves: Parting[] }) {
  const { t, lang } = useText();
  const curveName = useCurveName();
  const step = (value: number | null) => (value === null ? "–" : formatInteger(value, lang));
  return (
    <Scroll label={t("compare.curves")}>
      <table>
        <thead>
          <tr>
            <th scope="col">{t("compare.curve")}</th>
            <th scope="col">{t("compare.firstDifference")}</th>
            <th scope="col">{t("compare.partsAt")}</th>
            <th scope="col">A</th>
            <th scope="col">B</th>
          </tr>
        </thead>
        <tbody>
          {curves.map((curve) => (
            <tr key={`${curve.quantity} ${curve.column}`}>
              <th scope="row">{curveName(curve)}</th>
              <td>
                {curve.first_difference === null ? t("compare.identical") : step(curve.first_difference)}
              </td>
              <td>
                {curve.parts_at === null && curve.first_difference !== null
                  ? t("compare.noise")
                  : step(curve.parts_at)}
              </td>
              <td>{formatValue(toNumber(curve.a), lang)}</td>
              <td>{formatValue(toNumber(curve.b), lang)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

/** The answer in a line: what came and went, and what went another way first. */
function Verdict({ found }: { found: Comparison }) {
  const { t, lang } = useText();
  const curveName = useCurveName();
  const { fixed, new: added, still } = found.findings;
  const [first, second] = partingFirst(found.curves);
  const at = (curve: Parting) => formatInteger(curve.parts_at, lang);
  return (
    <p class="note verdict">
      {t("compare.counts", { fixed: fixed.length, added: added.length, still: still.length })}
      {gapOf(lang)}
      {first ? t("compare.partFirst", { step: at(first), curve: curveName(first) }) : t("compare.partNever")}
      {gapOf(lang)}
      {first && second ? t("compare.partNext", { step: at(second), curve: curveName(second) }) : null}
    </p>
  );
}

/** What was set differently, then at which levels the curves are; thresholds of rules are folded. */
function Facts({ chosen, facts }: Pick<Props, "chosen"> & { facts: Comparison["facts"] }) {
  const { t, lang } = useText();
  const rows = (about: About) =>
    facts
      .filter(({ name }) => aboutOf(name) === about)
      .map(({ name, a, b }): [string, string[]] => [
        name,
        [factValue(name, a, lang), factValue(name, b, lang)],
      ]);
  const [levels, rules] = [rows("levels"), rows("rules")];
  return (
    <>
      <FactsTable chosen={chosen} rows={rows("settings")} />
      {levels.length > 0 ? (
        <>
          <h3>{t("compare.levels")}</h3>
          <FactsTable chosen={chosen} rows={levels} label={t("compare.levels")} />
        </>
      ) : null}
      {rules.length > 0 ? (
        <Folded title={t("compare.thresholds", { count: rules.length })}>
          <FactsTable chosen={chosen} rows={rules} label={t("compare.thresholds", { count: rules.length })} />
        </Folded>
      ) : null}
    </>
  );
}

export function CompareTwo(props: Props) {
  const { chosen } = props;
  const { t, lang } = useText();
  const [a, b] = chosen;
  const about = a && b ? JSON.stringify([lang, a.run, b.run]) : null;
  const comparison = useResource(about, `${a?.data_version},${b?.data_version}`, (signal) =>
    getComparison(a?.run ?? "", b?.run ?? "", lang, signal),
  );
  return (
    <Loaded resource={comparison} what={t("view.compare")}>
      {(found) => (
        <>
          <Verdict found={found} />
          <h2>{t("compare.facts")}</h2>
          <Facts chosen={chosen} facts={found.facts} />
          <h2>{t("compare.findings")}</h2>
          <Findings {...props} found={found.findings} />
          <h2>{t("compare.curves")}</h2>
          <Curves curves={found.curves} />
        </>
      )}
    </Loaded>
  );
}
