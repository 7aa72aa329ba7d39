"""Colours and the page's style sheet."""

COLOURS = {"N": "#4a5568", "S": "#0072b2", "V": "#c84e00", "F": "#00795a", "Q": "#9b2d8a"}
"""Colour of each class, after Okabe and Ito's palette for colour-blind readers
(https://jfly.uni-koeln.de/color/), darkened until white letters on them have a contrast of 4.5:1. The class's
letter stands beside each colour."""

STYLE = """
:root{color-scheme:light}
*{box-sizing:border-box}
body{margin:0;background:#eef1f5;color:#1f2933}
body,svg text{font:15px/1.45 system-ui,"Segoe UI",Roboto,Helvetica,Arial,sans-serif}
main{max-width:1120px;margin:0 auto;padding:24px 20px 40px}
header h1{font-size:26px;margin:0;letter-spacing:-.01em}
header h1 small{font-weight:400;color:#66727f;font-size:17px;margin-left:.5em}
header p{margin:4px 0 0;color:#52606d}
.alert{margin:14px 0 0;padding:8px 14px;border-left:5px solid #b7791f;background:#fff8e6;border-radius:4px}
.alert strong{color:#7b4f08}
section{background:#fff;border:1px solid #dde3ea;border-radius:8px;padding:16px 20px 18px;margin-top:16px}
h2{font-size:17px;margin:0 0 10px}
h3{font-size:15px;margin:18px 0 8px;display:flex;align-items:center;gap:8px}
.hint{color:#66727f;font-size:13px;margin:2px 0 8px}
.figures{display:grid;grid-template-columns:repeat(4,1fr);gap:10px;margin-top:16px}
.figures div{background:#fff;border:1px solid #dde3ea;border-radius:8px;padding:10px 14px}
.figures b{display:block;font-size:23px;line-height:1.2;font-variant-numeric:tabular-nums}
.figures b small{font-size:13px;font-weight:400;color:#52606d}
.figures span{font-size:13px;color:#52606d}
.figures i{display:block;font-style:normal;font-size:12px;color:#66727f;font-variant-numeric:tabular-nums}
.two{display:grid;grid-template-columns:1fr 1fr;gap:16px}
.two section{min-width:0}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:14px}
th,td{padding:5px 8px;text-align:right;border-bottom:1px solid #e8ecf1}
th{font-weight:600;color:#52606d;font-size:13px}
th:first-child,td:first-child{text-align:left}
tbody tr:last-child td{border-bottom:0}
td.none{color:#a3adb8}
.tag{display:inline-block;min-width:1.55em;padding:0 .35em;border-radius:.8em}
.tag{color:#fff;font-weight:700;text-align:center;font-size:13px}
dl{display:grid;grid-template-columns:max-content 1fr;gap:3px 16px;margin:0}
dt{color:#52606d}
dd{margin:0;overflow-wrap:anywhere}
ul{margin:4px 0 0;padding-left:20px}
svg{display:block;width:100%;height:auto}
svg text{fill:#52606d;font-size:12px}
svg text.letter{font-weight:700;font-size:14px}
figure{margin:0 0 18px;break-inside:avoid}
figcaption{display:flex;flex-wrap:wrap;gap:2px 12px;font-size:14px;margin-bottom:3px;align-items:baseline}
figcaption b{font-weight:600}
figcaption span{color:#52606d;font-variant-numeric:tabular-nums}
figcaption span:last-child{margin-left:auto;font-size:12px;color:#66727f}
.scroll{overflow-x:auto}
.axis{stroke:#9aa5b1;fill:none}
.rule{stroke:#e4e9ef;fill:none}
.dots{fill:none;stroke-linecap:round}
.strip text{font-size:52px}
.strip text.small{font-size:44px}
.strip text.lead{font-size:62px;font-weight:700;fill:#1f2933}
.strip text.lead{paint-order:stroke;stroke:#fff9f8;stroke-width:14px}
.strip text.letter{font-size:60px}
.strip .trace{fill:none;stroke:#14181d;stroke-width:5.5;stroke-linejoin:round}
.strip .mark{fill:none;stroke-width:4;stroke-dasharray:14 12}
footer{color:#66727f;font-size:13px;margin-top:18px}
@media screen and (max-width:820px){.two{grid-template-columns:1fr}.figures{grid-template-columns:1fr 1fr}}
@media print{
@page{size:A4;margin:11mm 9mm}
body{background:#fff;font-size:11pt;-webkit-print-color-adjust:exact;print-color-adjust:exact}
main{max-width:none;padding:0}
section,.figures div{border-color:#c6ced8;break-inside:avoid}
section{padding:3mm 3mm}
section.long{break-inside:auto;border:0;padding:3mm 0}
h2,h3{break-after:avoid}
.strip{width:187mm}
}
"""
