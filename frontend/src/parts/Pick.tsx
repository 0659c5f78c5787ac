/** A labelled choice. */
interface Props<T extends string> {
  label: string;
  value: T;
  options: readonly T[];
  name: (option: T) => string;
  choose: (option: T) => void;
}

export function Pick<T extends string>({ label, value, options, name, choose }: Props<T>) {
  return (
    <label>
      {label}{" "}
      <select value={value} onChange={(event) => choose(event.currentTarget.value as T)}>
        {options.map((option) => (
          <option key={option} value={option}>
            {name(option)}
          </option>
        ))}
      </select>
    </label>
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
