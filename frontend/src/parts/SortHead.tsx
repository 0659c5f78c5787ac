/** A heading of a column that sorts by it. */
export interface Sorting<T extends string = string> {
  by: T;
  down: boolean;
}

interface Props<T extends string> {
  name: T;
  text: string;
  class?: string;
  sorting: Sorting<T>;
  sort: (by: T) => void;
}

export function SortHead<T extends string>({ name, text, sorting, sort, ...rest }: Props<T>) {
  const current = sorting.by === name;
  const order = current ? (sorting.down ? "descending" : "ascending") : "none";
  return (
    <th scope="col" class={rest.class} aria-sort={order}>
      <button type="button" class="plain" onClick={() => sort(name)}>
        {text}
        <span aria-hidden="true">{current ? (sorting.down ? " ▼" : " ▲") : ""}</span>
      </button>
    </th>
  );
}
