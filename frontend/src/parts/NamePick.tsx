/** One of many names: typed in part and picked from the list; it counts as soon as it is one. */
import { useId, useState } from "preact/hooks";

interface Props {
  label: string;
  names: string[];
  pick: (name: string) => void;
  /** The one that is chosen, shown until something is typed. */
  value?: string;
  placeholder?: string;
}

export function NamePick({ label, names, pick, value = "", placeholder = value }: Props) {
  const list = useId();
  const [typed, setTyped] = useState<string | null>(null);
  const take = (text: string) => {
    setTyped(text);
    if (!names.includes(text)) return;
    setTyped(null);
    pick(text);
  };
  return (
    <label>
      <span class="bar-label">{label}</span>{" "}
      <input
        type="search"
        list={list}
        value={typed ?? value}
        placeholder={placeholder}
        title={value}
        onFocus={() => setTyped("")}
        onBlur={() => setTyped(null)}
        onInput={(event) => take(event.currentTarget.value)}
      />
      <datalist id={list}>
        {names.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
    </label>
  );
}
