/** Causes, lanes, findings, plots, heat map. */
export const views = `
.causes, .items, .lanes ul { list-style: none; margin: 0; padding: 0; }
.cause { padding: 6px 12px; margin: 0 0 8px; background: var(--raised); border-radius: 0 4px 4px 0; }
.cause a { margin-left: 12px; }
.lanes a { display: block; padding: 4px 0 8px; color: var(--text); text-decoration: none; }
.lanes a:hover .lane-name { text-decoration: underline; }
.lane { position: relative; display: block; height: 12px; margin: 2px 0; background: var(--raised);
  border: 1px solid var(--line); }
.lane-bar { position: absolute; top: 0; bottom: 0; }
.findings { display: grid; grid-template-columns: minmax(260px, 360px) minmax(0, 1fr); gap: 0 24px; align-items: start; }
.item { margin-bottom: 4px; background: var(--raised); }
.item a { display: block; padding: 6px 10px; color: var(--text); text-decoration: none; overflow-wrap: anywhere; }
.item .new { color: var(--link); font-size: 12px; }
.item a:hover { background: var(--selected); }
.item a[aria-current] { background: var(--selected); box-shadow: inset 0 0 0 1px var(--link); }
.item .muted { display: block; font-size: 12px; }
.keys { font-size: 12px; }
.outcomes ul { margin: 0; padding-left: 20px; font-size: 13px; }
.detail > h2 { margin-top: 8px; }
.detail > section { display: grid; grid-template-columns: 84px minmax(0, 1fr); gap: 0 12px; margin-top: 6px; }
.detail > section > h3 { margin: 5px 0; }
.detail .markdown > :first-child { margin-top: 4px; }
.back { display: none; }
@media (max-width: 900px) {
  .findings { grid-template-columns: minmax(0, 1fr); }
  .findings.opened .list, .findings:not(.opened) .detail { display: none; }
  .back { display: block; }
  .detail > section { grid-template-columns: minmax(0, 1fr); }
}
.numbers { display: flex; flex-wrap: wrap; gap: 4px 24px; margin: 0; }
.numbers dt { color: var(--muted); font-size: 12px; }
.numbers dd { margin: 0; font-weight: 600; }
.readings { margin: 4px 0; padding-left: 20px; }
.plot { margin: 0; }
.plot figcaption { display: flex; flex-wrap: wrap; gap: 0 16px; align-items: baseline; font-size: 12px; color: var(--muted); }
.plot details { margin: 0; }
.plot details[open] { flex-basis: 100%; }
.chart { width: 100%; }
.heat:focus-visible { outline-offset: 0; }
.readout { min-height: 1.5em; font-weight: 600; }
.readout.muted { font-weight: 400; }
.reading { font-size: 15px; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 10px; align-items: center; font-size: 12px; }
.colour-bar { position: relative; width: 220px; height: 12px; margin: 6px 24px; padding: 0; border: 0; outline: 1px solid var(--line);
  cursor: ew-resize; touch-action: none; }
.colour-end { position: absolute; top: -6px; width: 24px; height: 24px; }
.colour-low { margin-left: -24px; }
.colour-end::after { content: ""; position: absolute; top: 3px; width: 8px; height: 18px; background: var(--text);
  border: 1px solid var(--page); }
.colour-low::after { right: 0; border-radius: 5px 0 0 5px; }
.colour-high::after { left: 0; border-radius: 0 5px 5px 0; }
.look { display: inline-flex; gap: 5px; align-items: center; margin-left: 8px; }
.swatch { width: 16px; height: 12px; border: 1px solid var(--line); }
.look-nan { background: repeating-linear-gradient(135deg, #fff 0 2px, #d62828 2px 6px); }
.look-inf { background: repeating-conic-gradient(#000 0 25%, #fff 0 50%) 0 0 / 4px 4px; }
.look-far { background: #ff00c8; }
.look-zero { background: #808080; }
.look-absent { background: radial-gradient(#808080 0.8px, transparent 1px) 0 0 / 4px 4px; }
.bars { position: relative; display: flex; align-items: flex-end; gap: 1px; height: 120px; margin-top: 14px;
  border-bottom: 1px solid var(--muted); }
.bars > span { flex: 1; background: var(--fill-info); }
.bars > b { position: absolute; left: 0; top: -14px; font-weight: 400; font-size: 11px; color: var(--muted); }
.bars > i { position: absolute; top: 0; bottom: 0; border-left: 2px dashed var(--text); }
.bars > .mark-own { border-left-style: solid; }
.bars > .mark-own::before { content: "▼"; position: absolute; top: -15px; left: -7px; font: 12px/1 sans-serif; }
.bar-ends { display: flex; justify-content: space-between; font-size: 11px; }
.distribution p { font-size: 12px; }
`;
