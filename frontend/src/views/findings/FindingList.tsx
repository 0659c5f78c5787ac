/** The list of causes; arrow keys and j/k move while it has the focus. */
import { useEffect, useRef } from "preact/hooks";
import { idOf, severityOf } from "../../data/findings";
import type { Finding } from "../../data/types";
import type { Place } from "../../host/hash";
import type { Go } from "../../host/place";
import { useText } from "../../i18n";
import { PlaceLink } from "../../parts/PlaceLink";
import { Note } from "../../parts/States";
import { SeverityMark } from "../../parts/Status";
import { spanStart } from "../../text/spans";

interface Props {
  findings: Finding[];
  /** How many there are without the filter. */
  all: number;
  /** Identifiers of those that were not there at the last visit. */
  news: ReadonlySet<string>;
  open: Finding | undefined;
  place: Place;
  go: Go;
  press: (event: KeyboardEvent) => void;
}

function Item({ finding, place, go, current, isNew }: Pick<Props, "place" | "go"> & ItemProps) {
  const { t, lang } = useText();
  return (
    <li class={`item edge-${severityOf(finding)}`}>
      <PlaceLink place={place} change={{ f: idOf(finding) }} go={go} current={current}>
        <SeverityMark severity={severityOf(finding)} /> <strong>{finding.title}</strong>
        {isNew ? <span class="new"> {t("findings.new")}</span> : null}
        <span class="muted">
          {finding.code} · {spanStart(t, lang, finding.first_step, finding.last_step)}
        </span>
        {finding.subject ? <span class="muted subject">{finding.subject}</span> : null}
      </PlaceLink>
    </li>
  );
}

interface ItemProps {
  finding: Finding;
  current: boolean;
  isNew: boolean;
}

export function FindingList({ findings, all, news, open, place, go, press }: Props) {
  const { t } = useText();
  const list = useRef<HTMLUListElement>(null);
  const openId = open ? idOf(open) : "";
  // The focus follows the keyboard inside the list, and stays away when the list does not have it.
  // Only a change of the open finding moves the focus.
  useEffect(() => {
    if (!list.current?.contains(document.activeElement)) return;
    list.current.querySelector<HTMLElement>("[aria-current]")?.focus();
  }, [openId]);
  if (findings.length === 0) return all > 0 ? <Note>{t("findings.noMatch", { count: all })}</Note> : null;
  return (
    <>
      <h2>{t("findings.count", { count: findings.length })}</h2>
      <ul class="items" ref={list} aria-label={t("findings.list")} onKeyDown={press}>
        {findings.map((finding) => (
          <Item
            key={idOf(finding)}
            finding={finding}
            place={place}
            go={go}
            current={idOf(finding) === openId}
            isNew={news.has(idOf(finding))}
          />
        ))}
      </ul>
      <p class="muted keys">{t("findings.keys")}</p>
    </>
  );
}
