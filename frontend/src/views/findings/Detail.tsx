/** One finding in the order of a reader's questions: what, where, on what evidence, how to fix it, why. */
import { useState } from "preact/hooks";
import { fileName, save } from "../../charts/export";
import { manualLink } from "../../data/client";
import { extentOf } from "../../data/extent";
import { idOf, severityOf } from "../../data/findings";
import { scriptLineOf } from "../../data/scriptLine";
import { type Finding, type Rule, toNumber } from "../../data/types";
import { limited, setZoom } from "../../data/zoom";
import { linkTo } from "../../host/place";
import { hostWindow } from "../../host/window";
import { useText } from "../../i18n";
import { copyText } from "../../parts/Copy";
import { Folded } from "../../parts/Folded";
import { Markdown, Sentence } from "../../parts/Markdown";
import { PlaceLink } from "../../parts/PlaceLink";
import { SeverityMark } from "../../parts/Status";
import { formatValue } from "../../text/numbers";
import { type Sections, sectionsOf } from "../../text/sections";
import { spanStart } from "../../text/spans";
import type { ViewProps } from "../context";
import { EvidenceCharts } from "./Evidence";
import { Moments } from "./Moments";

type Props = ViewProps & { finding: Finding };

const MOST_LAYERS = 6;

/** Share of the run up to which a finding's steps are worth showing apart. */
const PART = 0.9;

/** The layers that the evidence names. */
function layersOf(finding: Finding): string[] {
  const named = finding.evidence.filter(({ quantity, column }) => column !== "" && isOfLayers(quantity));
  return [...new Set(named.map(({ column }) => column))];
}

function Layers({ layers, place, go }: Pick<Props, "place" | "go"> & { layers: string[] }) {
  const { t } = useText();
  return (
    <>
      {layers.slice(0, MOST_LAYERS).map((layer) => (
        <PlaceLink key={layer} class="layer-link" place={place} change={{ view: "gradients", layer }} go={go}>
          <code>{layer}</code>
        </PlaceLink>
      ))}
      {layers.length > MOST_LAYERS ? t("findings.moreLayers", { count: layers.length - MOST_LAYERS }) : ""}
    </>
  );
}

function isOfLayers(quantity: string): boolean {
  return /^(gradient|parameter|update|activation|dead|saturated|zero)_/.test(quantity);
}

function Where({ finding, run, place, go, diagnosis }: Props) {
  const { t, lang } = useText();
  const line = scriptLineOf(finding, diagnosis.value?.facts ?? {});
  const extent = extentOf(run);
  const layers = layersOf(finding);
  // What spans the whole run shows nothing else when it is shown.
  const partial = finding.last_step - finding.first_step < PART * (extent[1] - extent[0]);
  const width = Math.max(4, finding.last_step - finding.first_step);
  const show = () =>
    setZoom(limited([finding.first_step - width / 2, finding.last_step + width / 2], extent));
  return (
    <section>
      <h3>{t("findings.where")}</h3>
      <p>
        {spanStart(t, lang, finding.first_step, finding.last_step)} ·{" "}
        {t(finding.ongoing ? "findings.still" : "findings.stopped")}
        {finding.subject && !layers.includes(finding.subject) ? (
          <>
            {" · "}
            <code>{finding.subject}</code>
          </>
        ) : null}
        {line ? (
          <>
            {" · "}
            <code>{line.line}</code> {t(`line.${line.what}`)}
          </>
        ) : null}{" "}
        {partial ? (
          <button type="button" onClick={show}>
            {t("findings.zoom")}
          </button>
        ) : null}{" "}
        <Layers layers={layers} place={place} go={go} />
      </p>
    </section>
  );
}

/** Numbers by the names that JSON and the configuration have for them; sentences say what they mean. */
function Named({ title, entries }: { title: string; entries: (readonly [string, unknown])[] }) {
  const { lang } = useText();
  if (entries.length === 0) return null;
  return (
    <>
      <h4>{title}</h4>
      <dl class="numbers">
        {entries.map(([name, value]) => (
          <div key={name}>
            <dt>
              <code>{name}</code>
            </dt>
            <dd>{typeof value === "number" ? formatValue(value, lang) : String(value)}</dd>
          </div>
        ))}
      </dl>
    </>
  );
}

/** How the rule decides, with its thresholds and this run's numbers beside them. */
function RulePart({ finding, rule, how }: { finding: Finding; rule: Rule | undefined; how: string }) {
  const { t } = useText();
  const numbers = Object.entries(finding.numbers).map(([name, value]) => [name, toNumber(value)] as const);
  const thresholds = Object.entries(rule?.thresholds ?? {});
  return (
    <section>
      <h3>{t("findings.rule")}</h3>
      <div>
        {how ? <Markdown source={how} /> : null}
        {numbers.length + thresholds.length > 0 ? (
          <Folded title={t("findings.numbers")}>
            <Named title={t("findings.found")} entries={numbers} />
            <Named title={t("findings.thresholds")} entries={thresholds} />
          </Folded>
        ) : null}
      </div>
    </section>
  );
}

function Prose({ title, source }: { title: string; source: string }) {
  if (source === "") return null;
  return (
    <section>
      <h3>{title}</h3>
      <Markdown source={source} />
    </section>
  );
}

/** Link, JSON, and the whole documentation of the rule. */
function Sharing({
  finding,
  run,
  place,
  rule,
}: Pick<Props, "finding" | "run" | "place"> & { rule: Rule | undefined }) {
  const { t, lang } = useText();
  const [done, setDone] = useState(false);
  const link = new URL(
    linkTo({ ...place, run: run.run, view: "findings", f: idOf(finding) }),
    hostWindow().location.href,
  );
  const name = fileName(run.run, finding.code);
  return (
    <p class="sharing">
      <button type="button" onClick={async () => setDone(await copyText(link.href))} aria-live="polite">
        {t(done ? "copy.done" : "bar.link")}
      </button>
      <button
        type="button"
        onClick={() => save(`${name}.json`, JSON.stringify(finding, null, 2), "application/json")}
      >
        {t("export.as", { kind: "JSON" })}
      </button>
      {rule ? (
        <a href={manualLink(finding.code, lang)} target="_blank" rel="noreferrer">
          {t("findings.manual", { code: finding.code })}
        </a>
      ) : null}
    </p>
  );
}

function Symptoms({ finding, place, go }: Pick<Props, "finding" | "place" | "go">) {
  const { t, lang } = useText();
  const count = finding.explains.length;
  if (count === 0) return null;
  return (
    <details>
      <summary>{t("findings.explains", { count })}</summary>
      <ul>
        {finding.explains.map((symptom) => (
          <li key={idOf(symptom)}>
            <SeverityMark severity={symptom.severity} />{" "}
            <PlaceLink place={place} change={{ view: "findings", f: idOf(symptom) }} go={go}>
              {symptom.code} {symptom.title}
            </PlaceLink>{" "}
            <span class="muted">{spanStart(t, lang, symptom.first_step, symptom.last_step)}</span>
            <p>
              <Sentence text={symptom.message} />
            </p>
          </li>
        ))}
      </ul>
    </details>
  );
}

const NOTHING: Sections = { why: "", how: "", guards: "" };

export function Detail(props: Props) {
  const { finding, rules, run, place, go } = props;
  const { t } = useText();
  const rule = rules.get(finding.code);
  const { why, how, guards } = rule ? sectionsOf(rule.documentation) : NOTHING;
  return (
    <>
      <p class="back">
        <PlaceLink place={place} change={{ f: "" }} go={go}>
          ← {t("findings.back")}
        </PlaceLink>
      </p>
      <h2>
        <SeverityMark severity={severityOf(finding)} /> {finding.title}{" "}
        <span class="muted">{finding.code}</span>
      </h2>
      {severityOf(finding) === finding.severity ? null : (
        <p class="muted">
          {t("findings.raised", { own: t(`severity.${finding.severity}`).toLocaleLowerCase() })}
        </p>
      )}
      <section>
        <h3>{t("findings.what")}</h3>
        <p>
          <Sentence text={finding.message} />
        </p>
      </section>
      <Where {...props} />
      <Moments finding={finding} />
      <EvidenceCharts finding={finding} run={run} theme={props.theme} />
      <section data-part="fix">
        <h3>{t("findings.fix")}</h3>
        <Markdown source={finding.advice} />
      </section>
      <RulePart finding={finding} rule={rule} how={how} />
      <Prose title={t("findings.why")} source={why} />
      <Prose title={t("findings.guards")} source={guards} />
      <Symptoms finding={finding} place={place} go={go} />
      <Sharing finding={finding} run={run} place={place} rule={rule} />
    </>
  );
}
