/** All layers at the cursor's step, as bars over their values, with the picked layer and the median among them. */
import { useId, useMemo } from "preact/hooks";
import type { Matrix } from "../../data/table";
import type { Domain } from "../../heat/colourRange";
import { APART, barAt, type Distribution as Data, distributionAt, valueIn } from "../../heat/distribution";
import { bucketAt } from "../../heat/grid";
import { type T, useText } from "../../i18n";
import { Folded } from "../../parts/Folded";
import { Scroll } from "../../parts/Scroll";
import { formatInteger, formatValue } from "../../text/numbers";
import { spanText } from "../../text/spans";
import { spoken } from "../../text/words";

interface Props {
  whole: Matrix;
  fine: Matrix | undefined;
  /** Smallest and largest value of the run: where the bars begin and end. */
  limits: Domain;
  /** The cursor's step; without one the newest is shown. */
  step: number | undefined;
  layer: string;
  stat: string;
  unit: string;
}

/** The finest matrix that has the step, and the bucket there. */
function placeOf({ whole, fine, step }: Props): [Matrix, number] {
  const wanted = step ?? whole.lastStep[whole.buckets - 1] ?? 0;
  const inFine =
    fine && wanted >= (fine.firstStep[0] ?? 0) && wanted <= (fine.lastStep[fine.buckets - 1] ?? -1);
  const matrix = inFine ? fine : whole;
  return [matrix, bucketAt(matrix.firstStep, wanted)];
}

function short(value: number, lang: string): string {
  return formatValue(Number(value.toPrecision(3)), lang);
}

/** Where on the axis a value is, in percent. */
function shareOf({ edges }: Data, value: number): number {
  const [low = 1, high = 10] = [edges[0], edges.at(-1)];
  return 100 * Math.min(1, Math.max(0, Math.log(value / low) / Math.log(high / low)));
}

function Bars({ data, own, label, about }: { data: Data; own: number; label: string; about: string }) {
  const { lang } = useText();
  const most = Math.max(1, ...data.counts);
  const marks: [string, number][] = [
    ["own", own],
    ["median", data.median],
  ];
  const ends = [data.edges[0] ?? 1, data.edges.at(-1) ?? 10];
  return (
    <>
      <div class="bars" role="img" aria-label={label} aria-describedby={about}>
        {data.counts.map((count, at) => (
          <span key={data.edges[at]} style={{ height: `${(100 * count) / most}%` }} />
        ))}
        {marks.map(([kind, value]) =>
          value > 0 ? (
            <i class={`mark-${kind}`} key={kind} style={{ left: `${shareOf(data, value)}%` }} />
          ) : null,
        )}
        <b aria-hidden="true">{formatInteger(most, lang)}</b>
      </div>
      <div class="bar-ends" aria-hidden="true">
        {ends.map((end) => (
          <span key={end}>{short(end, lang)}</span>
        ))}
      </div>
    </>
  );
}

/** What the bars show, in sentences. */
function sentencesOf(
  data: Data,
  own: ReturnType<typeof valueIn>,
  props: Props,
  t: T,
  lang: string,
): string[] {
  const { values, apart } = data;
  const value = (number: number | undefined) => `${short(number ?? NaN, lang)} ${props.unit}`.trim();
  const layer = spoken(props.layer);
  const below = values.filter((other) => other < own.value).length;
  const others = APART.filter((look) => apart[look] > 0).map(
    (look) => `${t(`heat.${look}`)}: ${apart[look]}`,
  );
  const numbers = {
    count: formatInteger(values.length, lang),
    low: value(values[0]),
    median: value(data.median),
    high: value(values.at(-1)),
  };
  return [
    values.length > 0 ? t("distribution.summary", numbers) : t("distribution.none"),
    own.look === "value"
      ? t("distribution.own", {
          layer,
          value: value(own.value),
          below,
          others: Math.max(0, values.length - 1),
        })
      : t("distribution.ownApart", { layer, what: t(`heat.${own.look}`) }),
    ...(others.length > 0 ? [t("distribution.apart", { list: others.join(", ") })] : []),
  ];
}

function Rows({ data, own }: { data: Data; own: ReturnType<typeof valueIn> }) {
  const { t, lang } = useText();
  const ownBar = own.look === "value" ? barAt(data.edges, own.value) : -1;
  const medianBar = data.values.length > 0 ? barAt(data.edges, data.median) : -1;
  return (
    <tbody>
      {data.counts.map((count, at) => (
        <tr key={data.edges[at]}>
          <th scope="row">
            {short(data.edges[at] ?? NaN, lang)} – {short(data.edges[at + 1] ?? NaN, lang)}
          </th>
          <td class="number">{formatInteger(count, lang)}</td>
          <td>
            {at === ownBar ? `▼ ${t("distribution.thisLayer")} ` : ""}
            {at === medianBar ? `┆ ${t("distribution.median")}` : ""}
          </td>
        </tr>
      ))}
      {APART.map((look) => (
        <tr key={look}>
          <th scope="row">{t(`heat.${look}`)}</th>
          <td class="number">{formatInteger(data.apart[look], lang)}</td>
          <td>{own.look === look ? `▼ ${t("distribution.thisLayer")}` : ""}</td>
        </tr>
      ))}
    </tbody>
  );
}

function BarTable(props: { data: Data; own: ReturnType<typeof valueIn> }) {
  const { t } = useText();
  const heads = ["values", "layers", "marks"] as const;
  return (
    <Folded title={t("chart.table")}>
      <Scroll label={t("chart.table")}>
        <table>
          <thead>
            <tr>
              {heads.map((head) => (
                <th scope="col" key={head}>
                  {t(`distribution.head.${head}`)}
                </th>
              ))}
            </tr>
          </thead>
          <Rows {...props} />
        </table>
      </Scroll>
    </Folded>
  );
}

export function Distribution(props: Props) {
  const { layer, stat, limits } = props;
  const { t, lang } = useText();
  const id = useId();
  const [matrix, bucket] = placeOf(props);
  const data = useMemo(() => distributionAt(matrix, bucket, limits), [matrix, bucket, limits]);
  const own = valueIn(matrix, matrix.columns.indexOf(layer), bucket);
  const where = spanText(t, lang, matrix.firstStep[bucket] ?? 0, matrix.lastStep[bucket] ?? 0);
  const label = t("distribution.heading", { stat, where });
  return (
    <figure class="plot distribution">
      <h4>{label}</h4>
      <Bars data={data} own={own.look === "value" ? own.value : NaN} label={label} about={id} />
      <p class="muted">
        ▼ {t("distribution.thisLayer")} · ┆ {t("distribution.median")} · {t("distribution.explain")}
      </p>
      <p id={id}>{sentencesOf(data, own, props, t, lang).join(" ")}</p>
      <BarTable data={data} own={own} />
    </figure>
  );
}
