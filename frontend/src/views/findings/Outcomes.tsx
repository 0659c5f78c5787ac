/** Checks that passed, could not be evaluated (by what is missing) or failed to run. "Passed" is earned, so it is listed. */
import type { ComponentChildren } from "preact";
import { manualLink } from "../../data/client";
import { kindOf } from "../../data/findings";
import type { Outcome, OutcomeKind, Rule, Unlock } from "../../data/types";
import { type Key, useText } from "../../i18n";
import { Sentence } from "../../parts/Markdown";
import { marked } from "../../text/words";

type Rules = ReadonlyMap<string, Rule>;

interface Props {
  outcomes: Outcome[];
  unlocks: Unlock[];
  rules: Rules;
  /** Whether the lists are shown at once. */
  open?: boolean;
}

/** The families of rules by the first digit of their codes. */
const FAMILIES: Record<string, Key> = {
  1: "family.curve",
  2: "family.gradients",
  3: "family.clipping",
  4: "family.terms",
  5: "family.use",
  6: "family.loop",
  7: "family.model",
  8: "family.machine",
  9: "family.record",
  R: "family.reward",
};

/** What the check looks for, with the way to its page in the manual. */
function Check({ outcome, rules }: { outcome: Outcome; rules: Rules }) {
  const { lang } = useText();
  const rule = rules.get(outcome.code);
  return (
    <>
      {rule ? (
        <a href={manualLink(outcome.code, lang)} target="_blank" rel="noreferrer">
          {outcome.code}
        </a>
      ) : (
        outcome.code
      )}{" "}
      {rule?.title ?? outcome.name}
    </>
  );
}

function familyOf({ code }: Outcome): Key {
  return (code.startsWith("LD") ? FAMILIES[code.charAt(2)] : undefined) ?? "family.other";
}

/** By families, each a short list. */
function ByFamily({ outcomes, rules }: { outcomes: Outcome[]; rules: Rules }) {
  const { t } = useText();
  const families = [...new Set(outcomes.map(familyOf))];
  return (
    <div class="families">
      {families.map((family) => (
        <section key={family}>
          <h3>{t(family)}</h3>
          <ul>
            {outcomes
              .filter((outcome) => familyOf(outcome) === family)
              .map((outcome) => (
                <li key={outcome.code}>
                  <Check outcome={outcome} rules={rules} />
                </li>
              ))}
          </ul>
        </section>
      ))}
    </div>
  );
}

/** By what would let them judge, the most useful first; then those that lack something else. */
function ByWay({ outcomes, unlocks, rules }: Props) {
  const { t } = useText();
  const known = new Map(outcomes.map((outcome) => [outcome.code, outcome]));
  const unlocked = new Set(unlocks.flatMap((unlock) => unlock.rules));
  const others = outcomes.filter(({ code }) => !unlocked.has(code));
  return (
    <div class="families">
      {unlocks.map((unlock) => (
        <section key={unlock.how}>
          <h3>
            <Sentence text={t("findings.unlock", { how: marked(unlock.how), count: unlock.rules.length })} />
          </h3>
          <ul>
            {unlock.rules
              .flatMap((code) => known.get(code) ?? [])
              .map((outcome) => (
                <li key={outcome.code}>
                  <Check outcome={outcome} rules={rules} />
                </li>
              ))}
          </ul>
        </section>
      ))}
      {others.length > 0 ? (
        <section>
          {unlocks.length > 0 ? <h3>{t("findings.otherwise")}</h3> : null}
          <Reasons outcomes={others} rules={rules} />
        </section>
      ) : null}
    </div>
  );
}

function Reasons({ outcomes, rules }: { outcomes: Outcome[]; rules: Rules }) {
  return (
    <ul>
      {outcomes.map((outcome) => (
        <li key={outcome.code}>
          <Check outcome={outcome} rules={rules} />
          {outcome.reason ? (
            <span class="muted">
              {" – "}
              <Sentence text={marked(outcome.reason)} />
            </span>
          ) : null}
        </li>
      ))}
    </ul>
  );
}

interface KindProps {
  title: Key;
  count: number;
  /** What to do about them, in a line. */
  hint?: ComponentChildren;
  open?: boolean | undefined;
  children: ComponentChildren;
}

function Kind(props: KindProps) {
  const { t } = useText();
  if (props.count === 0) return null;
  return (
    <details class="outcomes" open={props.open}>
      <summary>
        {t(props.title, { count: props.count })} {props.hint}
      </summary>
      {props.children}
    </details>
  );
}

export function Outcomes({ outcomes, unlocks, rules, open }: Props) {
  const { t } = useText();
  const of = (kind: OutcomeKind) => outcomes.filter((outcome) => kindOf(outcome) === kind);
  const [first] = unlocks;
  const [passed, skipped, failed] = [of("clear"), of("not evaluated"), of("failed")];
  const absent = of("nothing here");
  return (
    <>
      <Kind title="findings.passed" count={passed.length} open={open}>
        <p class="muted">{t("findings.lookedFor")}</p>
        <ByFamily outcomes={passed} rules={rules} />
      </Kind>
      <Kind
        title="findings.skipped"
        count={skipped.length}
        open={open}
        hint={
          first ? (
            <span class="muted">
              <Sentence text={t("findings.unlock", { how: marked(first.how), count: first.rules.length })} />
            </span>
          ) : null
        }
      >
        <ByWay outcomes={skipped} unlocks={unlocks} rules={rules} />
      </Kind>
      <Kind title="findings.absent" count={absent.length} open={open}>
        <p class="muted">{t("findings.absentHint")}</p>
        <ByFamily outcomes={absent} rules={rules} />
      </Kind>
      <Kind title="findings.failed" count={failed.length}>
        <Reasons outcomes={failed} rules={rules} />
      </Kind>
    </>
  );
}
