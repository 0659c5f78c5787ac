/** Range, heat map, tables, dialog, comparison: what the larger views need. */
export const more = `
.range { border: 0; margin: 0; padding: 0; white-space: nowrap; }
input.bound { font: inherit; width: 6.5em; color: var(--text); background: var(--page); border: 1px solid var(--line);
  border-radius: 4px; padding: 2px 6px; }
.surface { position: relative; }
.surface:focus-visible { outline: 2px solid var(--focus); outline-offset: 0; }
.box { position: absolute; pointer-events: none; border: 2px dashed var(--page); outline: 1px dashed var(--text); }
.crosshair { position: absolute; width: 8px; border: 2px solid var(--page); outline: 2px solid var(--text);
  pointer-events: none; }
.export { display: inline-flex; gap: 4px; }
.export button { font-size: 12px; padding: 0 8px; min-height: 24px; }
.sharing { display: flex; gap: 8px; margin-top: 12px; }
.events { display: flex; flex-wrap: wrap; gap: 4px; list-style: none; padding: 0; margin: 6px 0; }
.events button { text-align: left; overflow-wrap: anywhere; }
button.plain { border: 0; padding: 2px 0; min-height: 24px; background: none; text-align: left; overflow-wrap: anywhere;
  color: var(--link); font-weight: inherit; }
button.plain:hover { text-decoration: underline; }
thead button.plain { color: inherit; font-weight: 600; }
td button.plain { color: var(--text); text-decoration: underline dotted; }
button[disabled] { opacity: 0.6; cursor: default; }
.panels { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); gap: 0 24px; }
.layer { border-top: 1px solid var(--line); margin-top: 12px; }
.layer-link { margin-right: 8px; display: inline-block; min-height: 24px; }
.spark { vertical-align: middle; margin-left: 6px; }
.spark path { fill: none; stroke: var(--link); stroke-width: 1.2; }
.conflict { width: auto; }
.chosen { display: inline-flex; gap: 6px; align-items: center; flex-wrap: wrap; overflow-wrap: anywhere; }
.top { font-size: 12px; font-weight: 400; max-width: 70ch; }
.age { font-size: 12px; }
.runs tbody th { min-width: 12em; }
.runs td, .runs thead button { white-space: nowrap; }
dialog { color: var(--text); background: var(--page); border: 1px solid var(--line); border-radius: 6px;
  max-width: min(560px, 92vw); }
dialog::backdrop { background: rgb(0 0 0 / 50%); }
.keys-list div { display: flex; gap: 12px; padding: 2px 0; }
.keys-list dt { min-width: 9em; }
.keys-list dd { margin: 0; }
kbd { font: inherit; border: 1px solid var(--line); border-radius: 3px; padding: 0 6px; background: var(--raised); }
.skeleton { display: grid; gap: 10px; padding: 12px 0; }
.skeleton > span:not(.unseen) { height: 18px; border-radius: 4px; background: var(--code); }
.skeleton > span:nth-child(3) { width: 80%; }
.skeleton > span:nth-child(4) { width: 55%; }
@media (prefers-reduced-motion: no-preference) {
  .skeleton > span:not(.unseen) { animation: waiting 1.2s ease-in-out 0.3s infinite alternate; }
  @keyframes waiting { to { opacity: 0.4; } }
}
@media (max-width: 720px) {
  .bar { position: static; }
  select, .controls > * { max-width: 100%; }
  label { overflow-wrap: anywhere; }
  .detail > section { grid-template-columns: minmax(0, 1fr); }
  .range { white-space: normal; }
}
`;
