"""How the page looks: light and dark by the reader's own setting, wide tables scroll, prints on paper."""

STYLE = """\
:root { color-scheme: light dark; --ink: #1c2127; --soft: #59636e; --line: #d8dee4; --back: #ffffff; --panel: #f6f8fa;
  --one: #0a5fb4; --two: #b3470f; --good: #116329; --bad: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --soft: #9da7b1; --line: #333b44; --back: #0f1419; --panel: #171d24;
    --one: #6cb2f7; --two: #f0a06a; --good: #6fd08c; --bad: #ff9b93; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; }
h2 { font-size: 1.1rem; margin: 2.5rem 0 .75rem; border-bottom: 1px solid var(--line); padding-bottom: .25rem; }
p { margin: .25rem 0 .75rem; }
.soft, figcaption, caption { color: var(--soft); font-size: .875rem; }
.headline { display: flex; flex-wrap: wrap; gap: .25rem 1.5rem; align-items: baseline; margin: 1.25rem 0 .5rem; }
.headline strong { font-size: 2.5rem; line-height: 1.1; font-variant-numeric: tabular-nums; }
.good { color: var(--good); } .bad { color: var(--bad); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .25rem 0 1rem; }
caption { text-align: left; padding-bottom: .25rem; }
th, td { padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--line); text-align: right; }
th, td { vertical-align: top; }
tbody th, thead th:first-child { text-align: left; font-weight: 500; }
thead th { color: var(--soft); font-weight: 500; white-space: nowrap; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.25rem; margin: 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
figure { margin: 0; } svg { display: block; max-width: 100%; height: auto; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(19rem, 1fr)); gap: 1.5rem; }
.axis { stroke: var(--line); } .tick { fill: var(--soft); font-size: 11px; }
.one { stroke: var(--one); } .two { stroke: var(--two); } .line { fill: none; stroke-width: 2; }
.dot { fill: var(--one); fill-opacity: .35; stroke: none; } .bar { fill: var(--one); }
.even { stroke: var(--soft); stroke-dasharray: 4 4; }
.key-one { color: var(--one); } .key-two { color: var(--two); }
.matrix td { text-align: center; padding: .25rem .5rem; min-width: 2.25rem; } .broad { grid-column: 1 / -1; }
.mistakes { display: grid; grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)); gap: 1rem; }
.mistakes > div { background: var(--panel); border-radius: 6px; padding: .75rem; overflow-wrap: anywhere; }
.mistakes dl { grid-template-columns: 1fr; gap: 0; font-size: .875rem; } .mistakes dd { margin-bottom: .375rem; }
.mistakes img { width: 100%; image-rendering: pixelated; border-radius: 4px; }
.samples { display: grid; gap: 1rem; } .samples img { max-width: 100%; height: auto; }
.mistakes figcaption { margin-bottom: .25rem; }
pre { background: var(--panel); border-radius: 6px; padding: .75rem; overflow-x: auto; }
@media print {
  :root { color-scheme: light; }
  main { max-width: none; padding: 0; } .wide { overflow: visible; } .broad { font-size: .75rem; }
  h2 { break-after: avoid; } figure, .mistakes > div { break-inside: avoid; }
}
"""
