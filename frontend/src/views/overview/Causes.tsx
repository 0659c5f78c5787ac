/** "What is wrong": the leading causes as sentences, each with its way to the evidence and to the fix. */
import { idOf } from "../../data/findings";
import type { Finding, RunDiagnosis } from "../../data/types";
import type { Place } from "../../host/hash";
import type { Go } from "../../host/place";
import { useText } from "../../i18n";
import { Sentence } from "../../parts/Markdown";
import { NothingFound } from "../../parts/NothingFound";
import { PlaceLink } from "../../parts/PlaceLink";
import { Note } from "../../parts/States";
import { SeverityMark } from "../../parts/Status";
import { spanStart } from "../../text/spans";

const SHOWN = 3;

interface Props {
  diagnosis: RunDiagnosis;
  steps: [number | null, number | null];
  place: Place;
  go: Go;
}

function Cause({ finding, place, go }: { finding: Finding; place: Place; go: Go }) {
  const { t, lang } = useText();
  const change: Place = { view: "findings", f: idOf(finding) };
  return (
    <li class={`cause edge-${finding.severity}`}>
      <p>
        <SeverityMark severity={finding.severity} /> <strong>{finding.title}</strong>
      </p>
      <p>
        <Sentence text={finding.message} />
      </p>
      <p class="muted">
        {spanStart(t, lang, finding.first_step, finding.last_step)} · {finding.code}{" "}
        <PlaceLink place={place} change={change} go={go}>
          {t("causes.evidence")}
        </PlaceLink>{" "}
        <PlaceLink place={place} change={change} go={go}>
          {t("causes.fix")}
        </PlaceLink>
      </p>
    </li>
  );
}

/** Where the numbers come from, when that limits what can be said. */
function Origin({ facts }: { facts: RunDiagnosis["facts"] }) {
  const { t } = useText();
  return (
    <>
      {facts.source === "scalars" ? (
        <Note>{t("causes.fromScalars", { scalars: String(facts.scalars ?? "") })}</Note>
      ) : null}
      {facts.thinned ? <Note>{t("causes.thinned", { names: String(facts.thinned) })}</Note> : null}
    </>
  );
}

export function Causes({ diagnosis, steps, place, go }: Props) {
  const { t } = useText();
  const { findings } = diagnosis;
  return (
    <section>
      <h2>{t("causes.heading", { run: diagnosis.run })}</h2>
      <Origin facts={diagnosis.facts} />
      {findings.length === 0 ? <NothingFound diagnosis={diagnosis} steps={steps} /> : null}
      <ul class="causes">
        {findings.slice(0, SHOWN).map((finding) => (
          <Cause key={idOf(finding)} finding={finding} place={place} go={go} />
        ))}
      </ul>
      {findings.length > SHOWN ? (
        <PlaceLink place={place} change={{ view: "findings", f: "" }} go={go}>
          {t("causes.more", { count: findings.length })}
        </PlaceLink>
      ) : null}
    </section>
  );
}
