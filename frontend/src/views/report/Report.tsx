/** The diagnosis as a file: the very texts of the command line, of this run or of all. */
import type { RefObject } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { getReport, REPORT_FORMATS, type ReportFormat, reportLink } from "../../data/client";
import { useResource } from "../../data/resource";
import type { Theme } from "../../host/theme";
import { useText } from "../../i18n";
import { CodeBlock } from "../../parts/Copy";
import { Pick } from "../../parts/Pick";
import { Loaded } from "../../parts/States";
import type { ViewProps } from "../context";

const SCOPES = ["one", "all"] as const;
const LONGEST = 100_000;

interface PageProps {
  html: string;
  theme: Theme;
  frame: RefObject<HTMLIFrameElement | null>;
}

/** Whether the focus is in the frame: the style sheet is not told, the window is. */
function useFocused(frame: RefObject<HTMLIFrameElement | null>): boolean {
  const [focused, setFocused] = useState(false);
  useEffect(() => {
    const look = () => setFocused(document.activeElement === frame.current);
    const events = ["blur", "focus"] as const;
    for (const event of events) window.addEventListener(event, look);
    return () => {
      for (const event of events) window.removeEventListener(event, look);
    };
  }, []);
  return focused;
}

/** The report as it will be saved: it runs nothing, so it needs no more than a frame without rights. On screen it has the tab's theme. */
function Page({ html, theme, frame }: PageProps) {
  const { t } = useText();
  const themed = `@media screen { :root { color-scheme: ${theme} } }</style>`;
  return (
    <iframe
      ref={frame}
      class={useFocused(frame) ? "report-page focused" : "report-page"}
      title={t("report.heading")}
      sandbox="allow-same-origin allow-modals"
      srcdoc={html.replace("</style>", themed)}
    />
  );
}

export function Report({ run, theme }: ViewProps) {
  const { t, lang } = useText();
  const [format, setFormat] = useState<ReportFormat>("html");
  const [scope, setScope] = useState<(typeof SCOPES)[number]>("one");
  const name = scope === "one" ? run.run : undefined;
  const frame = useRef<HTMLIFrameElement>(null);
  const about = JSON.stringify([name, format, lang]);
  const text = useResource(about, run.data_version, (signal) => getReport(name, format, lang, signal));
  return (
    <section>
      <h2>{t("report.heading")}</h2>
      <p class="muted">{t("report.explain")}</p>
      <div class="controls">
        <Pick
          label={t("report.scope")}
          value={scope}
          options={SCOPES}
          name={(option) => t(`report.${option}`)}
          choose={setScope}
        />
        <Pick
          label={t("report.format")}
          value={format}
          options={REPORT_FORMATS}
          name={(option) => t(`report.${option}`)}
          choose={setFormat}
        />
        {REPORT_FORMATS.map((option) => (
          <a key={option} href={reportLink(name, option, lang)} download={`loss-doctor.${option}`}>
            {t("report.save", { format: t(`report.${option}`) })}
          </a>
        ))}
        {format === "html" ? (
          <button type="button" onClick={() => frame.current?.contentWindow?.print()}>
            {t("report.print")}
          </button>
        ) : null}
      </div>
      <Loaded resource={text} what={t("report.heading")}>
        {(value) =>
          format === "html" ? (
            <Page html={value} theme={theme} frame={frame} />
          ) : (
            <>
              {value.length > LONGEST ? <p class="muted">{t("report.cut")}</p> : null}
              <CodeBlock text={value.slice(0, LONGEST)} />
            </>
          )
        }
      </Loaded>
      <p class="muted">
        {t("report.command")}{" "}
        <code>{`tb-lossdiag check --format ${format === "md" ? "markdown" : format}`}</code>
      </p>
    </section>
  );
}
