/** A labelled choice. */
import { useId } from "preact/hooks";

interface Props<T extends string> {
  label: string;
  value: T;
  options: readonly T[];
  name: (option: T) => string;
  choose: (option: T) => void;
}

export function Pick<T extends string>({ label, value, options, name, choose }: Props<T>) {
  const id = useId();
  return (
    <span>
      <label for={id}>{label}</label>{" "}
      <select id={id} value={value} onChange={(event) => choose(event.currentTarget.value as T)}>
        {options.map((option) => (
          <option key={option} value={option}>
            {name(option)}
          </option>
        ))}
      </select>
    </span>
  );
}

/** Buttons of which one is on. */
export function Switch<T extends string>({ label, value, options, name, choose }: Props<T>) {
  return (
    <fieldset class="modes" aria-label={label}>
      {options.map((option) => (
        <button type="button" key={option} aria-pressed={option === value} onClick={() => choose(option)}>
          {name(option)}
        </button>
      ))}
    </fieldset>
  );
}
