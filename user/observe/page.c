// SPDX-License-Identifier: GPL-2.0-or-later
#include "observe/page.h"

static const char style[] =
	":root{color-scheme:light}"
	"body{font:15px/1.45 system-ui,sans-serif;color:#1a1a1a;background:#fff;margin:2rem auto;"
	"max-width:64rem;padding:0 1rem}"
	"h1{font-size:1.3rem;margin:0 0 .6rem}h2{font-size:1.05rem;margin:0 0 .2rem;"
	"overflow-wrap:anywhere}"
	".verdict{border:3px solid;border-radius:.6rem;padding:.8rem "
	"1.2rem;display:flex;gap:1.5rem;"
	"align-items:center;flex-wrap:wrap}"
	".verdict b{font-size:2rem}.verdict .score{font-size:1.5rem}"
	".good{color:#0b6623}.warn{color:#8a5a00}.bad{color:#a11212}.none{color:#555}"
	".verdict.warn{border-style:dashed}.verdict.bad{border-style:double;border-width:6px}"
	"p{margin:.2rem 0}table{border-collapse:collapse;width:100%;margin:1rem 0}"
	"th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid "
	"#ccc;vertical-align:middle;"
	"overflow-wrap:break-word}td:last-child:not(.n){overflow-wrap:anywhere}td.n,th.n{text-"
	"align:right;font-variant-numeric:tabular-nums}"
	".label{font-weight:600;white-space:nowrap}"
	"section{border-top:2px solid #ccc;padding:1rem 0;break-inside:avoid}"
	".pictures{display:flex;flex-wrap:wrap;gap:1rem}"
	"svg{max-width:100%;height:auto}svg text{font:11px system-ui,sans-serif;fill:#333}"
	".axis{stroke:#777;fill:none}.canary{fill:#d97706;stroke:#92400e;stroke-width:.5}"
	".baseline{fill:#dce8f5;stroke:#1f5fa8;stroke-width:.5}"
	".stripes{fill:none;stroke:#1f5fa8;stroke-dasharray:2 3;stroke-dashoffset:2}"
	".line{fill:none;stroke-width:1.5;stroke-linecap:round;stroke-linejoin:round;"
	"stroke-opacity:.8}"
	".canary.line{stroke-width:2.2}.baseline.line{stroke-dasharray:5 "
	"4}.median{stroke:#000;stroke-width:2;"
	"stroke-dasharray:2 2}"
	".production{stroke:#333}.production.line{stroke-dasharray:1.5 3.5}"
	".bound{stroke:#a11212;stroke-width:1;stroke-dasharray:8 3 2 3;fill:none}"
	".event{stroke:#777;stroke-width:.7;stroke-dasharray:2 2}svg .key{font-weight:600}"
	"figure{margin:.6rem 0;break-inside:avoid}figcaption{font-weight:600}"
	"meter{width:4rem;vertical-align:middle}"
	".small{color:#555;font-size:.85rem}"
	"@media print{body{margin:0;font-size:11px}svg{print-color-adjust:exact;"
	"-webkit-print-color-adjust:exact}}";

void page_begin(FILE *out)
{
	fputs("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
	      "<meta name=\"viewport\" content=\"width=device-width\"><title>",
	      out);
}

void page_title_end(FILE *out)
{
	fprintf(out, "</title>\n<style>%s</style></head><body>\n", style);
}

void page_end(FILE *out)
{
	fputs("</body></html>\n", out);
}
