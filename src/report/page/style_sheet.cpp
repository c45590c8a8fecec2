#include "report/page/style_sheet.h"

namespace fer_ddp {

// Validation and what is right are teal, training is grey, mistakes and the lowest loss are orange, the highest
// accuracy is violet.
std::string_view style_sheet() {
  return R"css(
:root {
  --paper: #fff; --ink: #1c2126; --soft: #5c6670; --rule: #dfe3e6; --panel: #f4f6f7;
  --training: #8d99a6; --validation: #0b7285; --by-loss: #d9480f; --by-accuracy: #6741d9;
  --right: 11, 114, 133; --wrong: 217, 72, 15;
  --run-1: #0b7285; --run-2: #d9480f; --run-3: #6741d9; --run-4: #2b8a3e; --run-5: #c2255c; --run-6: #1971c2; --run-7: #846a00;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #15191d; --ink: #e8e6e1; --soft: #9ba5af; --rule: #313940; --panel: #1d2328;
    --training: #7c8894; --validation: #3bc9db; --by-loss: #ff922b; --by-accuracy: #b197fc;
    --right: 24, 124, 143; --wrong: 190, 72, 14;
    --run-1: #3bc9db; --run-2: #ff922b; --run-3: #b197fc; --run-4: #69db7c; --run-5: #f783ac; --run-6: #74c0fc; --run-7: #e6c84f;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", "Liberation Sans", Arial, sans-serif;
  font-variant-numeric: tabular-nums; }
main, footer { max-width: 1120px; margin: 0 auto; padding: 0 32px; }
header { padding: 44px 0 0; }
.kind { margin: 0; color: var(--soft); font-size: 14px; }
h1 { margin: 2px 0 4px; font-size: 38px; line-height: 1.15; letter-spacing: -.015em; overflow-wrap: anywhere; }
.words { margin: 0; color: var(--soft); font-size: 18px; }
section { margin: 52px 0 0; }
section.outcome { margin-top: 32px; padding: 30px 0 28px; border: solid var(--rule); border-width: 1px 0; }
h2 { margin: 0 0 14px; font-size: 24px; line-height: 1.2; letter-spacing: -.01em; }
h3 { margin: 0 0 10px; font-size: 16px; }
p { margin: 0 0 12px; }
.note { color: var(--soft); font-size: 15px; }
.note b { color: var(--ink); }
p.note { max-width: 46em; }
.absent { color: var(--soft); font-style: italic; }
small { display: block; color: var(--soft); font-size: 13px; font-weight: normal; }

.outcome { display: grid; grid-template-columns: minmax(0, 1.15fr) minmax(0, 1fr); gap: 24px 64px; align-items: center; }
.outcome > .scrolls { grid-column: 1 / -1; }
.number { margin: 0; font-size: 104px; font-weight: 650; line-height: 1; letter-spacing: -.04em; color: var(--validation); white-space: nowrap; }
.what { margin: 6px 0 22px; font-size: 20px; }
.headline .note, .headline .absent { margin: 14px 0 0; }
.ruler { position: relative; padding-top: 24px; }
.ruler .reached { display: block; height: 14px;
  background: linear-gradient(var(--validation), var(--validation)) 0 0 / calc(var(--share) * 100%) 100% no-repeat var(--rule); }
.ruler .baseline { position: absolute; top: 18px; left: calc(var(--share) * 100%); height: 26px; border-left: 2px solid var(--ink); }
.ruler .baseline em { position: absolute; bottom: 26px; left: -2px; font-style: normal; font-size: 14px; line-height: 18px; white-space: nowrap; }
.ruler .scale { display: flex; justify-content: space-between; margin-top: 6px; color: var(--soft); font-size: 13px; }
.ruler .scale i { width: 0; display: flex; justify-content: center; font-style: normal; white-space: nowrap; }
.ruler .scale i:first-child { justify-content: flex-start; }
.ruler .scale i:last-child { justify-content: flex-end; }
dl { margin: 0; }
dd { margin: 0; }
.facts { display: grid; grid-template-columns: 1fr 1fr; gap: 20px 32px; }
.facts dt { color: var(--soft); font-size: 14px; }
.facts dd { font-size: 22px; line-height: 1.3; font-weight: 600; }

.legend { display: flex; flex-wrap: wrap; gap: 6px 26px; margin: 0 0 18px; padding: 0; list-style: none; font-size: 15px; }
.legend li { display: flex; align-items: center; gap: 8px; }
.legend .key { width: 26px; height: 12px; flex: none; }
.legend .mark-key { width: 16px; height: 16px; overflow: visible; }
.figures { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 30px 40px; }
figure { margin: 0; min-width: 0; break-inside: avoid; }
figcaption { margin: 0 0 6px; }
.chart { display: block; width: 100%; height: auto; overflow: visible; }
.training { --line: var(--training); } .validation, .plain { --line: var(--validation); } .plain { --line: var(--ink); }
.by-loss { --line: var(--by-loss); } .by-accuracy { --line: var(--by-accuracy); }
.run-1 { --line: var(--run-1); } .run-2 { --line: var(--run-2); } .run-3 { --line: var(--run-3); } .run-4 { --line: var(--run-4); }
.run-5 { --line: var(--run-5); } .run-6 { --line: var(--run-6); } .run-7 { --line: var(--run-7); }
.line { fill: none; stroke: var(--line); stroke-width: 2.4; stroke-linejoin: round; stroke-linecap: round; }
.thin .line { stroke-width: 1.4; stroke-dasharray: 1 4.5; }
.dot { fill: var(--line); stroke: var(--paper); stroke-width: 1.5; }
.cross { fill: none; stroke: var(--line); stroke-width: 1.6; }
.mark { fill: var(--line); stroke: var(--paper); stroke-width: 1.5; stroke-linejoin: round; }
.mark.ring { fill: var(--paper); stroke: var(--line); stroke-width: 2.4; }
.grid { stroke: var(--rule); stroke-width: 1; } .axis { stroke: var(--soft); stroke-width: 1; fill: none; }
.tick { fill: var(--soft); font-size: 13px; }
.catch { fill: transparent; }
.shown { opacity: 0; pointer-events: none; }
.column:hover .shown { opacity: 1; }
.cursor { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 2 3; }
.box { fill: var(--paper); stroke: var(--rule); }
.readout { fill: var(--ink); font-size: 13px; }

.scrolls { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 15px; }
th { font-weight: 600; text-align: left; }
thead th { color: var(--soft); font-weight: normal; font-size: 14px; vertical-align: bottom; }
td { text-align: right; }
th, td { padding: 6px 10px; }
th:first-child, td:first-child { padding-left: 0; }
th:last-child, td:last-child { padding-right: 0; }
tbody tr { border-top: 1px solid var(--rule); }
tfoot tr { border-top: 2px solid var(--rule); color: var(--soft); }
thead th:not(:first-child):not(.wide) { text-align: right; }
.bar { display: block; height: 12px; width: calc(var(--share) * 100%); min-width: 1px; background: var(--validation); }
.score { min-width: 68px; border-left: 8px solid var(--paper);
  background: linear-gradient(rgba(var(--right), .28), rgba(var(--right), .28)) 0 50% / calc(var(--share, 0) * 100%) 78% no-repeat;
  background-clip: padding-box; }
.class-results { display: grid; grid-template-columns: minmax(0, 1.25fr) minmax(0, 1fr); gap: 24px 44px; align-items: start; }
.confusion { border-collapse: separate; border-spacing: 2px; table-layout: fixed; min-width: 430px; }
.confusion th, .confusion td { padding: 0; }
.confusion thead th, .confusion thead th:not(:first-child):not(.wide) { text-align: center; font-size: 12px; }
.confusion thead th:first-child { text-align: left; }
.confusion .axis-name { color: var(--soft); }
.confusion tbody th { font-size: 13px; }
.confusion tr > :first-child { width: 66px; }
.confusion .cell { height: 50px; text-align: center; vertical-align: middle; line-height: 1.15; }
.confusion .cell b { display: block; font-size: 17px; font-weight: 600; }
.confusion .cell i { font-style: normal; font-size: 12px; opacity: .75; }
.cell.right { background: rgba(var(--right), calc(.08 + var(--share) * .92)); }
.cell.wrong { background: rgba(var(--wrong), calc(var(--share) * 1.5)); }
.cell.dark { color: #fff; }
.cell.dark i { opacity: .9; }

.faces { margin-bottom: 28px; max-width: 720px; }
.faces img { display: block; width: 100%; image-rendering: auto; }
.face-names { display: grid; grid-template-columns: repeat(7, 1fr); margin-bottom: 4px; font-size: 14px; text-align: center; }
.distribution .wide { width: 34%; text-align: left; }
.distribution .bar { background: var(--training); }
.distribution .majority .bar { background: var(--ink); }
.distribution + .note, .scrolls + .note { margin-top: 12px; }
.setting { display: grid; grid-template-columns: minmax(0, 2fr) minmax(0, 1fr); gap: 24px 64px; }
.config { columns: 2; column-gap: 40px; font-size: 14px; }
.config.narrow { columns: 1; margin-top: 18px; }
.config div { display: flex; justify-content: space-between; gap: 16px; padding: 3px 0; border-bottom: 1px solid var(--rule); break-inside: avoid; }
.config dt { color: var(--soft); }
.config dd { text-align: right; overflow-wrap: anywhere; }
.config .off dd { color: var(--soft); }
.ranks td { text-align: left; } .ranks thead th:not(:first-child) { text-align: left; }
details { margin-top: 26px; }
summary { cursor: pointer; color: var(--soft); font-size: 15px; }
details .scrolls { margin-top: 12px; }
.history th:first-child, .history td:first-child { text-align: left; }
.results { min-width: 900px; }
.results tbody td, .results tbody th { vertical-align: top; padding-top: 12px; padding-bottom: 12px; }
.results tbody th, .results small { white-space: nowrap; }
.results tbody tr:first-child { border-top-width: 0; }
.results .main { font-size: 22px; line-height: 1.2; }
.results .first { font-weight: 700; }
.swatch { display: inline-block; width: 12px; height: 12px; margin-right: 8px; background: var(--line); }
footer { margin-top: 60px; padding-top: 16px; padding-bottom: 48px; color: var(--soft); font-size: 14px; }

@media screen and (max-width: 820px) {
  main, footer { padding-left: 18px; padding-right: 18px; }
  header { padding-top: 26px; }
  h1 { font-size: 30px; }
  .words { font-size: 16px; }
  section { margin-top: 40px; }
  .outcome, .figures, .class-results, .setting { grid-template-columns: minmax(0, 1fr); }
  .number { font-size: 76px; }
  .tick, .readout { font-size: 15px; }
  .face-names { font-size: 11px; }
}
@media screen and (max-width: 520px) { .config { columns: 1; } .distribution .wide { display: none; } }
@media print {
  @page { margin: 14mm; }
  body { font-size: 11px; }
  main, footer { max-width: none; padding: 0; }
  header { padding: 0; }
  h1 { font-size: 28px; } h2 { font-size: 18px; break-after: avoid; }
  .words, .what { font-size: 14px; }
  .number { font-size: 72px; }
  .facts dd { font-size: 16px; }
  table, .note, .legend, .config { font-size: 11px; }
  .config { line-height: 1.35; }
  thead th { font-size: 10px; } th, td { padding: 2.5px 6px; }
  .note { margin-bottom: 8px; }
  .outcome, .class-results, .setting { gap: 20px 32px; }
  .confusion { min-width: 0; }
  .confusion .cell { height: 38px; }
  .confusion .cell b { font-size: 13px; }
  .confusion .cell i, .confusion tbody th { font-size: 10px; }
  .confusion thead th, .confusion thead th:not(:first-child):not(.wide) { font-size: 8.5px; }
  .score { min-width: 0; border-left-width: 4px; } .scrolls { overflow: visible; }
  .results { min-width: 0; } .results .main { font-size: 15px; } small { font-size: 10px; }
  .faces { max-width: 330px; margin-bottom: 14px; } .face-names { font-size: 8px; }
  .ruler .baseline em, .facts dt, footer { font-size: 11px; } .ruler .scale { font-size: 10px; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  section { break-inside: avoid; margin-top: 26px; }
  details:not([open]), .column { display: none; }
}
)css";
}

}  // namespace fer_ddp
