/** The global bar: which run, how it is, which steps, how new, which view, which language. */
import { useEffect, useMemo, useState } from "preact/hooks";
import { timeOfDay } from "../data/clock";
import type { RunSummary, Runs } from "../data/types";
import { isExported } from "../host/exported";
import { type Place, VIEWS } from "../host/hash";
import { type Go, linkTo } from "../host/place";
import { remember } from "../host/storage";
import { hostWindow } from "../host/window";
import { useText } from "../i18n";
import { copyText } from "../parts/Copy";
import { NamePick } from "../parts/NamePick";
import { PlaceLink } from "../parts/PlaceLink";
import { StatusChip } from "../parts/Status";
import { ago, hasEnded } from "../text/age";
import { Help } from "./Help";
import { StepRange } from "./StepRange";
import type { LiveRuns } from "./useRuns";

interface Props {
  runs: LiveRuns;
  run: RunSummary | undefined;
  /** How many causes were found, symptoms not counted. */
  causes: number;
  place: Place;
  go: Go;
}

/** From so many runs on one is found by typing. */
const MANY = 12;

function RunPicker({ runs, run, go }: { runs: Runs; run: RunSummary; go: Go }) {
  const { t } = useText();
  const names = useMemo(() => runs.runs.map((candidate) => candidate.run), [runs.runs]);
  const pick = (name: string) => go({ run: name, f: "", layer: "" });
  if (names.length > MANY) return <NamePick label={t("bar.run")} names={names} value={run.run} pick={pick} />;
  return (
    <label>
      {t("bar.run")}{" "}
      <select value={run.run} onChange={(event) => pick(event.currentTarget.value)}>
        {names.map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}

function LanguageSwitch({ go }: { go: Go }) {
  const { t, lang } = useText();
  const choose = (next: string) => {
    remember("lang", next);
    go({ lang: next });
  };
  return (
    <fieldset class="languages" aria-label={t("bar.language")}>
      <button type="button" lang="en" aria-pressed={lang === "en"} onClick={() => choose("en")}>
        en
      </button>
      <button type="button" lang="zh-CN" aria-pressed={lang === "zh-CN"} onClick={() => choose("zh-CN")}>
        中文
      </button>
    </fieldset>
  );
}

const TICK_MS = 1000;

/** Seconds since the epoch by the server's clock, every second. */
function useNow(skew: number): number {
  const [now, setNow] = useState(() => Date.now() / 1000);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now() / 1000), TICK_MS);
    return () => clearInterval(timer);
  }, []);
  return now + skew;
}

/** How old the newest record is, and whether the run goes on. */
function Age({ run, skew }: { run: RunSummary; skew: number }) {
  const { t, lang } = useText();
  const now = useNow(skew);
  if (run.last_walltime === null) return null;
  const age = ago(run.last_walltime, now, lang) ?? t("runs.ago.now");
  const ended = isExported() || hasEnded(run.last_walltime, run.period, now);
  return (
    <span class="muted age">
      <span aria-hidden="true">{ended ? "○ " : "◉ "}</span>
      {t(ended && !isExported() ? "bar.ended" : "bar.growing", { age })}
    </span>
  );
}

/** Whether the page looks for new records; of an export, when it was made. */
function LiveSwitch({ runs }: { runs: LiveRuns }) {
  const { t, lang } = useText();
  if (isExported()) {
    const time = timeOfDay(1000 * (runs.value?.now ?? 0), lang);
    return <span class="muted">{t("bar.exported", { time })}</span>;
  }
  return (
    <label>
      <input type="checkbox" checked={runs.live} onChange={() => runs.setLive(!runs.live)} /> {t("bar.live")}
      {runs.failures > 0 ? <span class="muted"> {t("bar.failing", { count: runs.failures })}</span> : null}
    </label>
  );
}

function CopyLink({ place }: { place: Place }) {
  const { t } = useText();
  const [done, setDone] = useState(false);
  useEffect(() => setDone(false), [place]);
  const copy = async () => setDone(await copyText(new URL(linkTo(place), hostWindow().location.href).href));
  return (
    <button type="button" onClick={copy} aria-live="polite">
      {t(done ? "copy.done" : "bar.link")}
    </button>
  );
}

function Views({ causes, place, go }: Pick<Props, "causes" | "place" | "go">) {
  const { t } = useText();
  return (
    <nav aria-label={t("bar.views")}>
      {VIEWS.map((view) => (
        <PlaceLink
          key={view}
          place={place}
          change={{ view }}
          go={go}
          current={(place.view ?? "overview") === view}
        >
          {t(`view.${view}`)}
          {view === "findings" && causes > 0 ? ` (${causes})` : ""}
        </PlaceLink>
      ))}
    </nav>
  );
}

export function Bar({ runs, run, causes, place, go }: Props) {
  const { t } = useText();
  return (
    <header class="bar">
      <button type="button" class="skip" onClick={() => document.querySelector("main")?.focus()}>
        {t("bar.skip")}
      </button>
      <div class="bar-row">
        <h1>{t("app.title")}</h1>
        {runs.value && run ? (
          <>
            <RunPicker runs={runs.value} run={run} go={go} />
            <StatusChip status={run.status} />
            <StepRange run={run} />
            <Age run={run} skew={runs.skew} />
            <LiveSwitch runs={runs} />
          </>
        ) : null}
      </div>
      <div class="bar-row">
        {runs.value && runs.value.runs.length > 0 ? <Views causes={causes} place={place} go={go} /> : null}
        <div class="bar-end">
          {run ? <CopyLink place={place} /> : null}
          <Help />
          <LanguageSwitch go={go} />
        </div>
      </div>
    </header>
  );
}
