/** The global bar: which run, how it is, which view, which language. */
import type { RunSummary, Runs } from "../data/types";
import { type Place, VIEWS } from "../host/hash";
import type { Go } from "../host/place";
import { remember } from "../host/storage";
import { useText } from "../i18n";
import { PlaceLink } from "../parts/PlaceLink";
import { StatusChip } from "../parts/Status";
import { formatSteps } from "../text/numbers";

interface Props {
  runs: Runs | undefined;
  run: RunSummary | undefined;
  /** How many causes were found, symptoms not counted. */
  causes: number;
  place: Place;
  go: Go;
}

function RunPicker({ runs, run, go }: { runs: Runs; run: RunSummary; go: Go }) {
  const { t } = useText();
  return (
    <label>
      {t("bar.run")}{" "}
      <select value={run.run} onChange={(event) => go({ run: event.currentTarget.value, f: "", layer: "" })}>
        {runs.runs.map((candidate) => (
          <option key={candidate.run} value={candidate.run}>
            {candidate.run}
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
  const { t, lang } = useText();
  return (
    <header class="bar">
      <div class="bar-row">
        <h1>{t("app.title")}</h1>
        {runs && run ? (
          <>
            <RunPicker runs={runs} run={run} go={go} />
            <StatusChip status={run.status} />
            <span class="muted">
              {t("bar.steps")} {formatSteps(run.first_step, run.last_step, lang)}
            </span>
          </>
        ) : null}
        <LanguageSwitch go={go} />
      </div>
      {run ? <Views causes={causes} place={place} go={go} /> : null}
    </header>
  );
}
