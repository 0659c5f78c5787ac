/** One finding in the order of a reader's questions: what, where, on what evidence, how to fix it, why. */
import { idOf } from "../data/findings";
import { type Finding, type Rule, toNumber } from "../data/types";
import { useText } from "../i18n";
import { Markdown, Sentence } from "../parts/Markdown";
import { PlaceLink } from "../parts/PlaceLink";
import { SeverityMark } from "../parts/Status";
import { formatSteps, formatValue } from "../text/numbers";
import type { ViewProps } from "./context";
import { EvidenceCharts } from "./Evidence";

type Props = ViewProps & { finding: Finding };

function Where({ finding, place, go }: Pick<Props, "finding" | "place" | "go">) {
  const { t, lang } = useText();
  const layer = finding.evidence.find(({ quantity }) => quantity === "gradient_norm")?.column;
  return (
    <section>
      <h3>{t("findings.where")}</h3>
      <p>
        {t("causes.steps", { steps: formatSteps(finding.first_step, finding.last_step, lang) })}
        {finding.subject ? (
          <>
            {" · "}
            <code>{finding.subject}</code>
          </>
        ) : null}{" "}
        {layer ? (
          <PlaceLink place={place} change={{ view: "gradients", layer }} go={go}>
            {t("findings.inGradients")}
          </PlaceLink>
        ) : null}
      </p>
    </section>
  );
}

function Numbers({ finding }: { finding: Finding }) {
  const { t, lang } = useText();
  const entries = Object.entries(finding.numbers);
  if (entries.length === 0) return null;
  return (
    <section>
      <h3>{t("findings.numbers")}</h3>
      <dl class="numbers">
        {entries.map(([name, value]) => (
          <div key={name}>
            <dt>{name.replaceAll("_", " ")}</dt>
            <dd>{formatValue(toNumber(value), lang)}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function Why({ rule }: { rule: Rule }) {
  const { t } = useText();
  const thresholds = Object.entries(rule.thresholds);
  return (
    <details>
      <summary>{t("findings.why")}</summary>
      <Markdown source={rule.documentation} leads />
      {thresholds.length > 0 ? <h4>{t("findings.thresholds")}</h4> : null}
      <dl class="numbers">
        {thresholds.map(([name, value]) => (
          <div key={name}>
            <dt>{name.replaceAll("_", " ")}</dt>
            <dd>{typeof value === "number" ? formatValue(value) : String(value)}</dd>
          </div>
        ))}
      </dl>
    </details>
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
            <span class="muted">
              {t("causes.steps", { steps: formatSteps(symptom.first_step, symptom.last_step, lang) })}
            </span>
            <p>
              <Sentence text={symptom.message} />
            </p>
          </li>
        ))}
      </ul>
    </details>
  );
}

export function Detail(props: Props) {
  const { finding, rules, place, go } = props;
  const { t } = useText();
  const rule = rules.get(finding.code);
  return (
    <>
      <p class="back">
        <PlaceLink place={place} change={{ f: "" }} go={go}>
          ← {t("findings.back")}
        </PlaceLink>
      </p>
      <h2>
        <SeverityMark severity={finding.severity} /> {finding.title} <span class="muted">{finding.code}</span>
      </h2>
      <section>
        <h3>{t("findings.what")}</h3>
        <p>
          <Sentence text={finding.message} />
        </p>
      </section>
      <Where finding={finding} place={place} go={go} />
      <EvidenceCharts finding={finding} run={props.run} theme={props.theme} />
      <section>
        <h3>{t("findings.fix")}</h3>
        <Markdown source={finding.advice} />
      </section>
      <Numbers finding={finding} />
      <Symptoms finding={finding} place={place} go={go} />
      {rule ? <Why rule={rule} /> : null}
    </>
  );
}
