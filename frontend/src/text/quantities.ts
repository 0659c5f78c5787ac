/** What quantities are called in words: those that the page shows by itself, else as the server says. */
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import { type Key, useText } from "../i18n";

export const QuantityNames = createContext<Record<string, string>>({});

export function useQuantityName(): (quantity: string) => string {
  const names = useContext(QuantityNames);
  const { t } = useText();
  return (quantity) => {
    const key = `stat.${quantity}`;
    const own = t(key as Key);
    return own === key ? (names[quantity] ?? quantity.replaceAll("_", " ")) : own;
  };
}
