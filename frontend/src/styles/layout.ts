/** Page, bar, headings, tables. */
export const layout = `
* { box-sizing: border-box; }
html { background: var(--page); color: var(--text); font: 14px/1.45 Roboto, "Segoe UI", Helvetica, Arial,
  "Noto Sans SC", "PingFang SC", "Microsoft YaHei", sans-serif; font-variant-numeric: tabular-nums; }
body { margin: 0; background: var(--page); }
main { padding: 12px 16px 48px; }
h1 { font-size: 18px; margin: 0; }
h2 { font-size: 16px; margin: 16px 0 8px; }
h3 { font-size: 13px; margin: 14px 0 4px; color: var(--muted); font-weight: 600; }
h4 { font-size: 13px; margin: 10px 0 4px; }
p { margin: 4px 0; }
p, li, summary, dd, td { overflow-wrap: anywhere; }
a { color: var(--link); }
.muted { color: var(--muted); }
.bar { position: sticky; top: 0; z-index: 5; background: var(--raised); border-bottom: 1px solid var(--line);
  padding: 8px 16px 0; }
.bar > :last-child:not(nav) { padding-bottom: 8px; }
.bar-row { display: flex; flex-wrap: wrap; gap: 6px 16px; align-items: center; }
.bar-row select { max-width: 340px; }
.languages { margin: 0 0 0 auto; padding: 0; border: 0; display: flex; }
nav { display: flex; flex-wrap: wrap; gap: 2px; margin-top: 6px; }
nav a { padding: 6px 12px; text-decoration: none; color: var(--text); border-bottom: 3px solid transparent; }
nav a:hover { text-decoration: underline; }
nav a[aria-current] { border-color: var(--link); font-weight: 600; }
.scroll { position: relative; overflow-x: auto; max-height: 420px; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: 5px 10px; border-bottom: 1px solid var(--line); vertical-align: top; }
thead th { color: var(--muted); font-weight: 600; font-size: 12px; position: sticky; top: 0; background: var(--page); }
tbody th { font-weight: 500; overflow-wrap: anywhere; }
td.number { white-space: nowrap; }
tr.selected { background: var(--selected); }
tr.without { color: var(--muted); }
.side-by-side { display: grid; grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); gap: 0 24px; }
.side-by-side > :only-child { grid-column: 1 / -1; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media (max-width: 900px) { .side-by-side { grid-template-columns: minmax(0, 1fr); } }
`;
