/** Where the run was taken up again, and how much of it is hidden since. */
import type { Restart } from "../../data/types";
import { type Key, useText } from "../../i18n";
import { Note } from "../../parts/States";
import { formatInteger } from "../../text/numbers";

const SHOWN = 5;
const WORDS: Record<Restart["kind"], Key> = {
  resumed: "restarts.resumed",
  "went back": "restarts.wentBack",
  renumbered: "restarts.renumbered",
  beside: "restarts.beside",
};

export function Restarts({ restarts }: { restarts: Restart[] }) {
  const { t, lang } = useText();
  if (restarts.length === 0) return null;
  const told = restarts.slice(0, SHOWN).map(({ kind, step, named, undone }) => {
    const words = { step: formatInteger(step, lang), named: formatInteger(named, lang) };
    const what = t(WORDS[kind], words);
    return undone > 0 ? t("restarts.undone", { what, count: undone }) : what;
  });
  const rest = restarts.length - SHOWN;
  if (rest > 0) told.push(t("restarts.more", { count: rest }));
  return <Note>{told.join(" · ")}</Note>;
}
