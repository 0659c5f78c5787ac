/** The histogram inside a layer over time: at each check-up the shares of the gradient's elements by their size. */
import { useEffect, useMemo, useRef } from "preact/hooks";
import { extentOf } from "../../data/extent";
import { edgeOf, type Histogram, PACKED, quantileOf, usedBins, useHistograms } from "../../data/histogram";
import type { RunSummary } from "../../data/types";
import { type Range, useSettledZoom } from "../../data/zoom";
import { lutOf } from "../../heat/lut";
import { useText } from "../../i18n";
import { Folded } from "../../parts/Folded";
import { Scroll } from "../../parts/Scroll";
import { Loaded, Note } from "../../parts/States";
import { formatInteger, formatPercent, formatValue } from "../../text/numbers";

interface Props {
  run: RunSummary;
  layer: string;
}

const HEIGHT = 120;
/** Milliseconds that a zoom must rest. */
const REST = 100;
/** The smallest share that has a colour of its own: one element of the sample. */
const FAINTEST = 1 / 512;
const TICKS = 4;

/** Place of a share among the 256 colours, by its logarithm. */
export function colourOf(share: number): number {
  const place = 1 + Math.log(share) / -Math.log(FAINTEST);
  return Math.round(255 * Math.min(1, Math.max(0, place)));
}

function css(pixel: number): string {
  return `rgb(${pixel & 255} ${(pixel >> 8) & 255} ${(pixel >> 16) & 255})`;
}

/** A column per check-up, as wide as until the next; a row per bin, small sizes below. */
function paint(canvas: HTMLCanvasElement, all: Histogram[], [low, high]: Range, [from, to]: Range) {
  const context = canvas.getContext("2d");
  if (!context) return;
  const [width, height] = [canvas.clientWidth, HEIGHT];
  const ratio = window.devicePixelRatio || 1;
  [canvas.width, canvas.height] = [width * ratio, height * ratio];
  context.scale(ratio, ratio);
  const colours = lutOf("viridis");
  const rows = high - low + 1;
  const x = (step: number) => (width * (step - from)) / Math.max(1, to - from);
  all.forEach(({ step, shares }, at) => {
    const [left, right] = [x(step), Math.max(x(all[at + 1]?.step ?? to), x(step) + 2)];
    for (let bin = low; bin <= high; bin++) {
      const share = shares[bin] ?? 0;
      if (share <= 0) continue;
      context.fillStyle = css(colours[colourOf(share)] ?? 0);
      const top = (height * (high - bin)) / rows;
      context.fillRect(left, top, right - left + 0.5, height / rows + 0.5);
    }
  });
}

function Picture({
  all,
  run,
  label,
  about,
}: {
  all: Histogram[];
  run: RunSummary;
  label: string;
  about: string;
}) {
  const { lang } = useText();
  const canvas = useRef<HTMLCanvasElement>(null);
  const zoom = useSettledZoom(REST);
  const [low, high] = useMemo(() => usedBins(all), [all]);
  const range = zoom ?? extentOf(run);
  useEffect(() => {
    if (canvas.current) paint(canvas.current, all, [low, high], range);
  }, [all, low, high, range[0], range[1]]);
  const ticks = Array.from(
    { length: TICKS },
    (_, at) => high - Math.round(((high - low) * at) / (TICKS - 1)),
  );
  return (
    <div class="spread">
      <div class="spread-ticks" aria-hidden="true">
        {ticks.map((bin) => (
          <span key={bin}>{formatValue(edgeOf(bin), lang, 2)}</span>
        ))}
      </div>
      <canvas
        ref={canvas}
        role="img"
        aria-label={label}
        aria-describedby={about}
        style={{ height: `${HEIGHT}px` }}
      />
    </div>
  );
}

const QUANTILES = [0.1, 0.5, 0.9] as const;

function Numbers({ all }: { all: Histogram[] }) {
  const { t, lang } = useText();
  return (
    <Folded title={t("chart.table")}>
      <Scroll label={t("chart.table")}>
        <table>
          <thead>
            <tr>
              <th scope="col">{t("chart.steps")}</th>
              <th scope="col">{t("spread.zeros")}</th>
              {QUANTILES.map((share) => (
                <th scope="col" key={share}>
                  {t("spread.below", { share: formatPercent(share, lang) })}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {all.map((each) => (
              <tr key={each.step}>
                <th scope="row">{formatInteger(each.step, lang)}</th>
                <td class="number">{formatPercent(each.zeros, lang)}</td>
                {QUANTILES.map((share) => (
                  <td class="number" key={share}>
                    {formatValue(quantileOf(each, share), lang, 2)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </Folded>
  );
}

function Drawn({ all, run, layer }: Props & { all: Histogram[] }) {
  const { t, lang } = useText();
  const newest = all.at(-1);
  if (!newest) return <Note>{t("spread.none")}</Note>;
  const about = `spread-${layer}`;
  const words = {
    count: formatInteger(all.length, lang),
    step: formatInteger(newest.step, lang),
    zeros: formatPercent(newest.zeros, lang),
    median: formatValue(quantileOf(newest, 0.5), lang, 2),
  };
  return (
    <>
      <Picture all={all} run={run} label={t("spread.label", { layer })} about={about} />
      <p id={about} class="muted">
        {t("spread.summary", words)}
      </p>
      <Numbers all={all} />
    </>
  );
}

function Known({ run, layer }: Props) {
  const { t } = useText();
  const histograms = useHistograms(run, layer);
  return (
    <Loaded resource={histograms} what={t("spread.heading")}>
      {(all) => <Drawn all={all ?? []} run={run} layer={layer} />}
    </Loaded>
  );
}

export function Spread(props: Props) {
  const { t } = useText();
  const recorded = props.run.quantities.includes(PACKED[0] ?? "");
  return (
    <div data-part="spread">
      <h4>{t("spread.heading")}</h4>
      {recorded ? <Known {...props} /> : <Note>{t("spread.none")}</Note>}
    </div>
  );
}
