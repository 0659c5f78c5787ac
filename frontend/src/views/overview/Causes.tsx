/** What is wrong with one run: the first cause with what, since when, where and what to do; the others a line each. */

import type { RunClock } from "../../data/clock";
import { timeOfDay } from "../../data/clock";
import { idOf, severityOf, worstFirst } from "../../data/findings";
import { scriptLineOf } from "../../data/scriptLine";
import type { Finding, RunDiagnosis } from "../../data/types";
import type { Place } from "../../host/hash";
import type { Go } from "../../host/place";
import { useText } from "../../i18n";
import { Markdown, Sentence } from "../../parts/Markdown";
import { NothingFound } from "../../parts/NothingFound";
import { PlaceLink } from "../../parts/PlaceLink";
import { Note } from "../../parts/States";
import { SeverityMark } from "../../parts/Status";
import { firstStepsOf } from "../../text/markdown";
import { spanStart } from "../../text/spans";

/** Further causes that have a line each. */
const LINES = 4;

interface Props {
  diagnosis: RunDiagnosis;
  steps: [number | null, number | null];
  clock: RunClock | null;
  place: Place;
  go: Go;
}

type OneProps = Pick<Props, "clock" | "place" | "go"> & {
  finding: Finding;
  facts: RunDiagnosis["facts"];
};

/** "LD101 · Steps 700 – 899 · since 21:41:07 · still happening · train.py:88, the loss". */
function Since({ finding, clock, facts }: Pick<OneProps, "finding" | "clock" | "facts">) {
  const { t, lang } = useText();
  const where = scriptLineOf(finding, facts);
  const time = clock ? timeOfDay(clock.at(finding.first_step), lang) : null;
  return (
    <p class="muted">
      {finding.code} · {spanStart(t, lang, finding.first_step, finding.last_step)}
      {time ? ` · ${t("causes.since", { time })}` : ""} ·{" "}
      {t(finding.ongoing ? "findings.still" : "findings.stopped")}
      {where ? (
        <>
          {" "}
          · <code>{where.line}</code> {t(`line.${where.what}`)}
        </>
      ) : null}
    </p>
  );
}

function Explains({ finding, place, go }: Omit<OneProps, "clock" | "facts">) {
  const { t } = useText();
  const { explains } = finding;
  if (explains.length === 0) return null;
  return (
    <details>
      <summary>{t("findings.explains", { count: explains.length })}</summary>
      <ul>
        {explains.map((symptom) => (
          <li key={idOf(symptom)}>
            <PlaceLink place={place} change={{ view: "findings", f: idOf(symptom) }} go={go}>
              <SeverityMark severity={symptom.severity} /> {symptom.code} {symptom.title}
            </PlaceLink>
          </li>
        ))}
      </ul>
    </details>
  );
}

/** The cause that matters most, with the first steps of its fix beside it. */
function Leading({ finding, clock, facts, place, go }: OneProps) {
  const { t } = useText();
  const id = idOf(finding);
  const severity = severityOf(finding);
  return (
    <section class={`leading edge-${severity}`}>
      <div>
        <h3>
          <SeverityMark severity={severity} /> {finding.title}
        </h3>
        <Since finding={finding} clock={clock} facts={facts} />
        <p>
          <Sentence text={finding.message} />
        </p>
        <Explains finding={finding} place={place} go={go} />
        <p>
          <PlaceLink place={place} change={{ view: "findings", f: id, part: "evidence" }} go={go}>
            {t("causes.evidence")}
          </PlaceLink>
        </p>
      </div>
      <div class="to-do">
        <h3>{t("causes.toDo")}</h3>
        <Markdown source={firstStepsOf(finding.advice)} />
        <p>
          <PlaceLink place={place} change={{ view: "findings", f: id, part: "fix" }} go={go}>
            {t("causes.fix")}
          </PlaceLink>
        </p>
      </div>
    </section>
  );
}

function Further({ finding, clock, facts, place, go }: OneProps) {
  const { t, lang } = useText();
  const severity = severityOf(finding);
  return (
    <li>
      <details class={`further edge-${severity}`}>
        <summary>
          <SeverityMark severity={severity} /> {finding.title}{" "}
          <span class="muted">
            {finding.code} · {spanStart(t, lang, finding.first_step, finding.last_step)}
          </span>
        </summary>
        <Since finding={finding} clock={clock} facts={facts} />
        <p>
          <Sentence text={finding.message} />
        </p>
        <PlaceLink place={place} change={{ view: "findings", f: idOf(finding) }} go={go}>
          {t("causes.details")}
        </PlaceLink>
      </details>
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
      {facts.unread ? <Note>{t("causes.unread", { tags: String(facts.unread) })}</Note> : null}
      {facts.thinned ? <Note>{t("causes.thinned", { names: String(facts.thinned) })}</Note> : null}
    </>
  );
}

export function Causes({ diagnosis, steps, clock, place, go }: Props) {
  const { t } = useText();
  const findings = worstFirst(diagnosis.findings);
  const [first] = findings;
  // A note is no cause of trouble: it does not lead.
  const leading = first && severityOf(first) !== "info" ? first : undefined;
  const others = leading ? findings.slice(1) : findings;
  const common = { clock, place, go, facts: diagnosis.facts };
  return (
    <>
      <Origin facts={diagnosis.facts} />
      {leading ? (
        <Leading finding={leading} {...common} />
      ) : (
        <NothingFound diagnosis={diagnosis} steps={steps} />
      )}
      <ul class="causes">
        {others.slice(0, LINES).map((finding) => (
          <Further key={idOf(finding)} finding={finding} {...common} />
        ))}
      </ul>
      {others.length > LINES ? (
        <PlaceLink place={place} change={{ view: "findings", f: "" }} go={go}>
          {t("causes.more", { count: findings.length })}
        </PlaceLink>
      ) : null}
    </>
  );
}
