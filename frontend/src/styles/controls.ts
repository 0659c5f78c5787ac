/** Buttons, inputs, chips, notes, code. */
export const controls = `
button, select, input[type="search"] { font: inherit; color: var(--text); background: var(--page);
  border: 1px solid var(--line); border-radius: 4px; padding: 3px 10px; }
button { cursor: pointer; }
button:hover { background: var(--selected); }
button[aria-pressed="true"] { background: var(--selected); border-color: var(--link); font-weight: 600; }
:focus-visible { outline: 2px solid var(--focus); outline-offset: 2px; }
.chip { display: inline-block; padding: 0 8px; border-radius: 10px; border: 1px solid currentColor; white-space: nowrap;
  font-weight: 600; font-size: 12px; }
.status-error, .severity-error { color: var(--error); }
.status-warning, .severity-warning { color: var(--warning); }
.severity-info { color: var(--info); }
.status-healthy { color: var(--healthy); }
.status-too-early, .status-unreadable { color: var(--muted); }
.severity { font-weight: 600; white-space: nowrap; }
.counts { white-space: nowrap; }
.edge-error { border-left: 4px solid var(--fill-error); }
.edge-warning { border-left: 4px solid var(--fill-warning); }
.edge-info { border-left: 4px solid var(--fill-info); }
.fill-error { background: var(--fill-error); }
.fill-warning { background: var(--fill-warning); }
.fill-info { background: var(--fill-info); }
.note { background: var(--raised); border: 1px solid var(--line); border-radius: 4px; padding: 8px 12px; }
body > .note { margin: 12px 16px; }
.banner { display: flex; gap: 16px; align-items: center; justify-content: space-between; margin: 8px 16px;
  border: 1px solid var(--error); border-left-width: 4px; border-radius: 4px; padding: 8px 12px; }
main .banner { margin: 8px 0; }
code { background: var(--code); border-radius: 3px; padding: 0 4px; font: 12.5px/1.5 "Roboto Mono", Menlo, Consolas,
  "Noto Sans Mono CJK SC", monospace; overflow-wrap: anywhere; }
.code { position: relative; margin: 6px 0; background: var(--code); border: 1px solid var(--line); border-radius: 4px; }
.code pre { margin: 0; padding: 8px 84px 8px 12px; white-space: pre-wrap; overflow-wrap: anywhere; }
.code pre code { padding: 0; background: none; }
.code button { position: absolute; top: 6px; right: 6px; font-size: 12px; }
details { margin: 8px 0; }
summary { cursor: pointer; padding: 2px 0; }
.controls { display: flex; flex-wrap: wrap; gap: 8px 20px; align-items: center; margin: 8px 0; }
.modes { display: flex; flex-wrap: wrap; gap: 4px; border: 0; margin: 0; padding: 0; min-width: 0; }
.modes label { max-width: 24em; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.markdown ul { margin: 4px 0; padding-left: 20px; }
`;
