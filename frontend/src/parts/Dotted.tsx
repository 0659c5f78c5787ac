/** A layer's name, broken after its dots as long as that will do; of a very long one the first lines, all of it where it is pointed at. */
import { Fragment } from "preact";

export function Dotted({ name }: { name: string }) {
  return (
    <span class="dotted" title={name}>
      {name.split(/(?<=[._/])/).map((part, at) => (
        <Fragment key={`${at}${part}`}>
          {at > 0 ? <wbr /> : null}
          {part}
        </Fragment>
      ))}
    </span>
  );
}
