/** The style of a report, for light and dark, and for a telephone. */

export const STYLE = `
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #fff; --line: #dfe3e8; --text: #1b2129; --soft: #5b6673;
  --activating: #0b7285; --active: #23794a; --reloading: #a85b00; --deactivating: #4a5bc4; --inactive: #68717c; --failed: #c4262e;
  --message: #2563c9; --ignored: #c4262e; --quiet: #68717c; --on: #fff; --code: #f0f2f5; --focus: #d6007a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #11151a; --card: #191f26; --line: #2d3641; --text: #e3e8ee; --soft: #98a4b1;
    --activating: #3bb8cd; --active: #4cc383; --reloading: #eda23d; --deactivating: #95a3ff; --inactive: #8a95a1; --failed: #ff7b7f;
    --message: #6ea8ff; --ignored: #ff7b7f; --quiet: #8a95a1; --on: #10151a; --code: #11161c; --focus: #ff7ac3;
  }
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
body { margin: 0; background: var(--page); color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 28px 20px 60px; }
h1 { font-size: 24px; line-height: 1.25; margin: 0 0 6px; overflow-wrap: anywhere; font-weight: 650; }
h2 { font-size: 17px; margin: 0 0 12px; font-weight: 650; }
code, pre, h1 code { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: .92em; }
.kicker { color: var(--soft); margin: 0 0 4px; font-size: 13px; letter-spacing: .02em; }
.lead { margin: 0 0 20px; color: var(--soft); max-width: 75ch; }
.badge { display: inline-block; border-radius: 99px; padding: 1px 11px; font-size: 13px; font-weight: 600; color: var(--on); background: var(--active); vertical-align: 3px; margin-left: 6px; }
.badge.bad { background: var(--failed); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(120px, 1fr)); gap: 10px; margin: 0 0 16px; }
.tiles div { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 9px 14px; }
.tiles dt { color: var(--soft); font-size: 13px; }
.tiles dd { margin: 0; font-size: 21px; font-weight: 600; font-variant-numeric: tabular-nums; white-space: nowrap; }
.tiles .bad dd { color: var(--ignored); }
section { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 18px 20px; margin: 0 0 16px; }
.hint { color: var(--soft); font-size: 13px; margin: 10px 0 0; }
.chart { display: block; overflow: visible; }
.chart text { font: 12px system-ui, sans-serif; fill: var(--soft); }
.chart .lane { font-size: 11px; font-weight: 600; letter-spacing: .05em; text-transform: uppercase; paint-order: stroke; stroke: var(--card); stroke-width: 4px; }
.chart .level { paint-order: stroke; stroke: var(--card); stroke-width: 4px; }
.chart .name { fill: var(--on); font-weight: 600; }
.grid { stroke: var(--line); }
.base { stroke: var(--line); }
.limit { stroke: var(--failed); stroke-width: 1.5; }
.half { stroke: var(--soft); stroke-dasharray: 5 5; }
.stem { stroke-width: 2; opacity: .35; stroke: var(--active); }
.stem.late { stroke: var(--reloading); }
.band { stroke-width: 1.5; }
rect.activating { fill: var(--activating); stroke: var(--activating); }
rect.active { fill: var(--active); stroke: var(--active); }
rect.reloading, path.reloading { fill: var(--reloading); stroke: var(--reloading); }
rect.deactivating { fill: var(--deactivating); stroke: var(--deactivating); }
rect.inactive { fill: var(--inactive); stroke: var(--inactive); opacity: .5; }
rect.failed { fill: var(--failed); stroke: var(--failed); }
.mark { cursor: pointer; outline: none; fill: var(--message); }
.mark.ignored, .mark.missed { fill: var(--ignored); }
.mark.missed { stroke: var(--ignored); stroke-width: 3; stroke-linecap: round; }
.mark.ping { fill: var(--active); }
.mark.late { fill: var(--reloading); }
.mark.barrier { fill: var(--card); stroke: var(--message); stroke-width: 2; }
.mark.signal, .mark.process, .mark.fd { fill: var(--quiet); }
.mark .hit { fill: transparent; stroke: none; }
.mark:hover .hit { stroke: var(--soft); stroke-width: 1.5; }
.mark:focus-visible .hit { stroke: var(--focus); stroke-width: 2.5; }
.mark.phase:hover .band, .mark.phase:focus-visible .band { stroke: var(--focus); stroke-width: 2.5; }
.tip { position: fixed; z-index: 1; max-width: min(480px, calc(100vw - 24px)); max-height: 60vh; overflow: hidden; padding: 11px 14px; border-radius: 10px; border: 1px solid var(--line); background: var(--card); box-shadow: 0 8px 30px #0004; font-size: 14px; pointer-events: none; }
.log { list-style: none; margin: 0; padding: 0; }
.log li { display: grid; grid-template-columns: 92px 1fr; gap: 0 16px; padding: 9px 8px; border-top: 1px solid var(--line); scroll-margin: 40vh; border-radius: 6px; }
.log li:first-child { border-top: 0; }
.log li:target { background: color-mix(in srgb, var(--focus) 13%, transparent); }
.log li > * { grid-column: 2; min-width: 0; }
.log time { grid-column: 1; grid-row: 1 / span 9; text-align: right; }
time { color: var(--soft); font-variant-numeric: tabular-nums; font-size: 13px; padding-top: 2px; white-space: nowrap; }
.tip time { display: block; }
.narrow { display: none; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 12px 0 0; padding: 0; font-size: 13px; color: var(--soft); }
.legend svg { vertical-align: -4px; cursor: auto; }
p { margin: 0; overflow-wrap: anywhere; }
.what { font-weight: 600; }
.sender b { font-weight: 600; color: var(--activating); }
.sender { color: var(--soft); font-size: 14px; }
pre { margin: 3px 0; padding: 6px 10px; background: var(--code); border-radius: 6px; white-space: pre-wrap; overflow-wrap: anywhere; max-height: 40vh; overflow: auto; }
pre i { color: var(--soft); font-style: normal; }
code { background: var(--code); border-radius: 4px; padding: 1px 5px; overflow-wrap: anywhere; }
.effect { color: var(--active); }
.problem { color: var(--ignored); }
.late { color: var(--reloading); }
.cure { padding-left: 18px; font-weight: 600; }
.faults { margin: 0; padding: 0; list-style: none; }
.faults li { padding: 9px 0; border-top: 1px solid var(--line); }
.faults li:first-child { border: 0; padding-top: 0; }
footer { color: var(--soft); font-size: 13px; }
@media (max-width: 600px) {
  main { padding: 18px 10px 40px; }
  h1 { font-size: 20px; }
  section { padding: 14px 12px; }
  .log li { grid-template-columns: 1fr; padding: 9px 4px; }
  .log li > *, .log time { grid-column: 1; grid-row: auto; text-align: left; }
  .wide { display: none; }
  .narrow { display: inline; }
  .tiles { grid-template-columns: repeat(auto-fit, minmax(96px, 1fr)); }
  .tiles dd { font-size: 18px; }
}
@media print { .tip { display: none; } section { break-inside: avoid-page; } }
`;
