/** Which findings are listed: by severity, by words, without those that were muted. */
import type { Filter } from "../../data/findings";
import { useText } from "../../i18n";
import { Pick } from "../../parts/Pick";

interface Props {
  filter: Filter;
  change: (part: Partial<Filter>) => void;
}

const SEVERITIES = ["all", "error", "warning", "info"] as const;

export function FilterBar({ filter, change }: Props) {
  const { t } = useText();
  return (
    <div class="controls">
      <Pick
        label={t("filter.severity")}
        value={filter.severity}
        options={SEVERITIES}
        name={(option) => (option === "all" ? t("filter.all") : t(`severity.${option}`))}
        choose={(severity) => change({ severity })}
      />
      <label>
        {t("filter.words")}{" "}
        <input
          type="search"
          value={filter.words}
          onInput={(event) => change({ words: event.currentTarget.value })}
        />
      </label>
      {filter.muted.size > 0 ? (
        <label>
          <input
            type="checkbox"
            checked={filter.showMuted}
            onChange={() => change({ showMuted: !filter.showMuted })}
          />{" "}
          {t("filter.showMuted", { count: filter.muted.size })}
        </label>
      ) : null}
    </div>
  );
}
