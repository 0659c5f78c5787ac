/** A layer's name, which may be broken after its dots and nowhere else as long as that will do. */
import { Fragment } from "preact";

export function Dotted({ name }: { name: string }) {
  return (
    <>
      {name.split(/(?<=[._/])/).map((part, at) => (
        <Fragment key={`${at}${part}`}>
          {at > 0 ? <wbr /> : null}
          {part}
        </Fragment>
      ))}
    </>
  );
}
