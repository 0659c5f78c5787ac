/** What is wrong with the configuration or with other packages' rules: everything is judged without it. */
import type { Runs } from "../../data/types";
import { useText } from "../../i18n";
import { Note } from "../../parts/States";

export function Settings({ configuration, extensions }: Pick<Runs, "configuration" | "extensions">) {
  const { t } = useText();
  return (
    <>
      {configuration.problem ? (
        <Note>{t("settings.configuration", { problem: configuration.problem })}</Note>
      ) : null}
      {extensions.map((problem) => (
        <Note key={problem}>{t("settings.extension", { problem })}</Note>
      ))}
    </>
  );
}
