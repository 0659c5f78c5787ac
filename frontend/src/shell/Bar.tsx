/** The global bar: which run, how it is, which steps, how new, which view, which language. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { timeOfDay } from "../data/clock";
import type { RunSummary, Runs } from "../data/types";
import { isExported } from "../host/exported";
import { type Place, VIEWS } from "../host/hash";
import { useMedia } from "../host/media";
import { type Go, linkTo } from "../host/place";
import { remember } from "../host/storage";
import { hostWindow } from "../host/window";
import { useText } from "../i18n";
import { copyText } from "../parts/Copy";
import { Menu } from "../parts/Menu";
import { NamePick } from "../parts/NamePick";
import { PlaceLink } from "../parts/PlaceLink";
import { StatusChip } from "../parts/Status";
import { ago, lifeOf, momentOf } from "../text/age";
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

function RunPicker({ runs, run, go }: { runs: Runs; run: RunSummary | undefined; go: Go }) {
  const { t } = useText();
  const names = useMemo(() => runs.runs.map((candidate) => candidate.run), [runs.runs]);
  const pick = (name: string) => go({ run: name, f: "", layer: "" });
  const placeholder = run?.run ?? t("compare.choose");
  if (names.length > MANY) {
    return <NamePick label={t("bar.run")} {...{ names, pick, placeholder }} value={run?.run ?? ""} />;
  }
  return (
    <label>
      <span class="bar-label">{t("bar.run")}</span>{" "}
      <select value={run?.run ?? ""} onChange={(event) => pick(event.currentTarget.value)}>
        {run ? null : <option value="">{placeholder}</option>}
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
function Age({ run, skew, stale }: { run: RunSummary; skew: number; stale: boolean }) {
  const { t, lang } = useText();
  const now = useNow(skew);
  if (run.last_walltime === null) return null;
  const age = ago(run.last_walltime, now, lang) ?? t("runs.ago.now");
  const life = lifeOf(run, now, isExported() || stale);
  return (
    <span class="muted age" title={momentOf(run.last_walltime, lang)}>
      <span aria-hidden="true">{life === "growing" ? "◉ " : "○ "}</span>
      {t(`bar.${life}`, { age })}
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
  const nav = useRef<HTMLElement>(null);
  // Where the views do not fit into one line, the line scrolls: the one that is shown is in it.
  useEffect(() => {
    const current = nav.current?.querySelector<HTMLElement>("[aria-current]");
    if (nav.current && current) nav.current.scrollLeft = current.offsetLeft - nav.current.clientWidth / 3;
  }, [place.view, causes]); // their number makes the line longer
  return (
    <nav aria-label={t("bar.views")} ref={nav}>
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

type RestProps = Omit<Props, "causes">;

/** How new the records are. */
function Freshness({ runs, run }: Pick<RestProps, "runs" | "run">) {
  if (!run) return null;
  return (
    <>
      <Age run={run} skew={runs.skew} stale={runs.error !== undefined} />
      <LiveSwitch runs={runs} />
    </>
  );
}

function Rest({ run, place, go }: Omit<RestProps, "runs">) {
  return (
    <>
      {run ? <CopyLink place={place} /> : null}
      <Help />
      <LanguageSwitch go={go} />
    </>
  );
}

/** Below this width what does not fit into two lines stands in a menu; below the second one the range of steps does, too. */
const NARROW = "(max-width: 1279px)";
const SMALL = "(max-width: 719px)";

export function Bar({ runs, run, causes, place, go }: Props) {
  const { t } = useText();
  const [narrow, small] = [useMedia(NARROW), useMedia(SMALL)];
  return (
    <header class="bar">
      <button type="button" class="skip" onClick={() => document.querySelector("main")?.focus()}>
        {t("bar.skip")}
      </button>
      <div class="bar-row">
        <h1>{t("app.title")}</h1>
        {runs.value && runs.value.runs.length > 0 ? <RunPicker runs={runs.value} {...{ run, go }} /> : null}
        {run ? (
          <>
            <StatusChip status={run.status} />
            {small ? null : <StepRange run={run} />}
          </>
        ) : null}
        {narrow ? (
          <Menu label={t("bar.more")} class="bar-menu">
            {run && small ? <StepRange run={run} /> : null}
            <Freshness runs={runs} run={run} />
            <Rest {...{ run, place, go }} />
          </Menu>
        ) : (
          <Freshness runs={runs} run={run} />
        )}
      </div>
      <div class="bar-row">
        {runs.value && runs.value.runs.length > 0 ? <Views causes={causes} place={place} go={go} /> : null}
        {narrow ? null : (
          <div class="bar-end">
            <Rest {...{ run, place, go }} />
          </div>
        )}
      </div>
    </header>
  );
}
