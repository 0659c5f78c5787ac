/** Layers with their newest values, the suspicious ones first and marked; a name opens the layer's curves. */
import { useMemo, useState } from "preact/hooks";
import { everyFinding, idOf } from "../../data/findings";
import type { Tables } from "../../data/tables";
import type { Finding } from "../../data/types";
import { type Key, type T, useText } from "../../i18n";
import { Dotted } from "../../parts/Dotted";
import { Pick } from "../../parts/Pick";
import { PlaceLink } from "../../parts/PlaceLink";
import { SortHead, type Sorting } from "../../parts/SortHead";
import { Spark } from "../../parts/Spark";
import { Note } from "../../parts/States";
import { formatInteger, formatPercent, formatValue } from "../../text/numbers";
import { capital } from "../../text/words";
import type { ViewProps } from "../context";
import { type Judged, type Judgements, judgedOf, judgementsOf, suspicionOf } from "./judged";
import { kindOf } from "./kinds";
import { type LayerEntry, layersOf, rangeOf, sorted } from "./layerValues";

const SHARES: ReadonlySet<string> = new Set([
  "dead_share",
  "saturated_share",
  "zero_share",
  "gradient_zero_share",
]);
const SHOWN = 100;
const ORDERS = ["worst", "model"] as const;
const NO_FINDINGS: Finding[] = [];

function headOf(name: string, t: T): string {
  return name === "layer" ? t("table.layer") : capital(t(`stat.${name}` as Key));
}

/** What a rule says of the value, as a link to the finding where there is one. */
function Code({ judged, findings, place, go }: CellProps & { judged: Judged }) {
  const finding = everyFinding(findings).find(({ code }) => code === judged.code);
  if (judged.code === "") return null;
  if (!finding) return <span class="code-mark">{judged.code}</span>;
  return (
    <PlaceLink class="code-mark" place={place} change={{ view: "findings", f: idOf(finding) }} go={go}>
      {judged.code}
    </PlaceLink>
  );
}

type CellProps = Pick<ViewProps, "place" | "go"> & { findings: Finding[] };

function Value(
  props: CellProps & {
    quantity: string;
    entry: LayerEntry;
    known: Judgements;
    range: [number, number] | undefined;
  },
) {
  const { quantity, entry, known, range } = props;
  const { t, lang } = useText();
  const value = entry.values.get(quantity);
  const column = entry.columns.get(quantity);
  if (value === undefined || value === null) return <td class="number muted">–</td>;
  const judged = judgedOf(entry, quantity, known);
  const text = SHARES.has(quantity) ? formatPercent(value, lang) : formatValue(value, lang);
  const beyond = judged?.level === "beyond" ? t("activations.beyond", { code: judged.code }) : undefined;
  const hatched = Number.isFinite(value) ? "" : " hatched";
  return (
    <td class={judged ? `number cell-${judged.level}${hatched}` : "number"} title={beyond}>
      {judged ? <Code {...props} judged={judged} /> : null} <span class="value">{text}</span>
      {column ? <Spark column={column} range={range} /> : null}
    </td>
  );
}

function Row(
  props: CellProps & {
    entry: LayerEntry;
    present: string[];
    known: Judgements;
    ranges: Map<string, [number, number]>;
    kind: string;
  },
) {
  const { entry, present, ranges, kind, place, go } = props;
  const { t } = useText();
  return (
    <tr class={place.layer === entry.name ? "selected" : ""}>
      <th scope="row">
        {entry.name === "" ? (
          t("table.root")
        ) : (
          <button type="button" class="plain layer-name" onClick={() => go({ layer: entry.name })}>
            <Dotted name={entry.name} />
          </button>
        )}
        {kind ? <span class="kind">{kind}</span> : null}
      </th>
      {present.map((quantity) => (
        <Value key={quantity} {...props} quantity={quantity} entry={entry} range={ranges.get(quantity)} />
      ))}
    </tr>
  );
}

interface Props extends ViewProps {
  tables: Tables;
  quantities: readonly string[];
}

/** The layers that are looked for, in the order that was chosen. */
function useRows(entries: LayerEntry[], present: string[], known: Judgements) {
  const [words, setWords] = useState("");
  const [sorting, setSorting] = useState<Sorting>({ by: "worst", down: true });
  const sort = (by: string) =>
    setSorting((old) => ({ by, down: old.by === by ? !old.down : by !== "layer" }));
  const rows = useMemo(() => {
    const wanted = entries.filter(({ name }) => name.toLowerCase().includes(words.toLowerCase()));
    return sorted(wanted, sorting, (entry) => suspicionOf(entry, present, known));
  }, [entries, present, known, sorting, words]);
  return { rows, sorting, sort, words, setWords };
}

export function LayerTable(props: Props) {
  const { tables, quantities, place, go, diagnosis, rules } = props;
  const { t, lang } = useText();
  const present = useMemo(() => quantities.filter((quantity) => tables.has(quantity)), [tables, quantities]);
  const entries = useMemo(() => layersOf(tables, quantities), [tables, quantities]);
  const findings = diagnosis.value?.findings ?? NO_FINDINGS;
  const known = useMemo(() => judgementsOf(findings, rules), [findings, rules]);
  const ranges = useMemo(
    () => new Map(present.map((quantity) => [quantity, rangeOf(entries, quantity)])),
    [entries, present],
  );
  const { rows, sorting, sort, words, setWords } = useRows(entries, present, known);
  const [all, setAll] = useState(false);
  const order = sorting.by === "layer" ? "model" : "worst";
  return (
    <>
      <div class="controls tools">
        <label>
          {t("gradients.filter")}{" "}
          <input type="search" value={words} onInput={(event) => setWords(event.currentTarget.value)} />
        </label>
        <Pick
          label={t("gradients.order")}
          value={order}
          options={ORDERS}
          name={(each) => t(each === "worst" ? "activations.order.worst" : "gradients.order.model")}
          choose={(each) => sort(each === "worst" ? "worst" : "layer")}
        />
      </div>
      {rows.length === 0 ? <Note>{t("gradients.noMatch")}</Note> : null}
      <div class="layers-box">
        <table class="layers">
          <thead>
            <tr>
              {["layer", ...present].map((name) => (
                <SortHead
                  key={name}
                  name={name}
                  text={headOf(name, t)}
                  class={name === "layer" ? "" : "number"}
                  sorting={sorting}
                  sort={sort}
                />
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.slice(0, all ? rows.length : SHOWN).map((entry) => (
              <Row
                key={entry.name}
                {...{ entry, present, known, ranges, findings, place, go }}
                kind={kindOf(tables, entry.name, t, lang)}
              />
            ))}
          </tbody>
        </table>
      </div>
      {rows.length > SHOWN && !all ? (
        <button type="button" onClick={() => setAll(true)}>
          {t("table.all", { count: formatInteger(rows.length, lang) })}
        </button>
      ) : null}
    </>
  );
}
