/** The keys, in a dialog. */
import { useEffect, useRef, useState } from "preact/hooks";
import { keysOn, remember } from "../host/storage";
import { type Key, useText } from "../i18n";

const KEYS: [string, Key][] = [
  ["?", "help.help"],
  ["j k ↑ ↓", "help.list"],
  ["Enter →", "help.open"],
  ["Esc ←", "help.back"],
  ["m", "help.mute"],
  ["← → ↑ ↓", "help.cursor"],
  ["Shift", "help.far"],
  ["Home End", "help.ends"],
  ["+ − 0", "help.zoom"],
  ["z x", "help.rows"],
  ["← → PgUp PgDn", "help.colours"],
  ["[ ]", "help.pan"],
  ["n p", "help.anomaly"],
  ["Space … Enter", "help.select"],
  ["t", "help.table"],
];

function typing(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName);
}

function LetterSwitch() {
  const { t } = useText();
  const [on, setOn] = useState(keysOn);
  const toggle = () => {
    remember("keys", on ? "off" : "on");
    setOn(!on);
  };
  return (
    <p>
      <label>
        <input type="checkbox" checked={on} onChange={toggle} /> {t("help.letters")}
      </label>
    </p>
  );
}

export function Help() {
  const { t } = useText();
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.key === "?" && keysOn() && !typing(event.target)) dialog.current?.showModal();
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  }, []);
  return (
    <>
      <button type="button" onClick={() => dialog.current?.showModal()}>
        {t("help.button")}
      </button>
      <dialog ref={dialog} aria-label={t("help.heading")}>
        <h2>{t("help.heading")}</h2>
        <dl class="keys-list">
          {KEYS.map(([key, text]) => (
            <div key={key + text}>
              <dt>
                <kbd>{key}</kbd>
              </dt>
              <dd>{t(text)}</dd>
            </div>
          ))}
        </dl>
        <LetterSwitch />
        <button type="button" onClick={() => dialog.current?.close()}>
          {t("help.close")}
        </button>
      </dialog>
    </>
  );
}
