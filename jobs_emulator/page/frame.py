"""The frame of the status page.

One style sheet, light and dark, for a desk and for a phone; no script at all.
"""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape

from jobs_emulator.http.answers import HttpResponse

STYLE_PATH = "/_emulator/style.css"
REFRESH_SECONDS = 2

_HEADERS = (
    (
        "content-security-policy",
        "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("referrer-policy", "no-referrer"),
)

STYLE = """
:root { color-scheme: light dark;
  --ground: #f6f7f9; --card: #fff; --text: #1b1f24; --dim: #5b6570; --line: #dfe3e8;
  --link: #0b57d0; --good: #137a43; --bad: #c3281d; --warn: #8a5a00; --busy: #0b57d0;
  --idle: #7b8794; --track: #edf0f3; }
@media (prefers-color-scheme: dark) { :root { --ground: #14171b; --card: #1d2126; --text: #e6e9ed; --dim: #9aa5b1;
  --line: #31373f; --link: #8ab4f8; --good: #5bd08f; --bad: #ff8a80; --warn: #f0b849; --busy: #8ab4f8; --idle: #8b96a3;
  --track: #2a3038; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--text); font: 15px/1.45 system-ui, sans-serif; }
header, main { max-width: 1100px; margin: 0 auto; padding: 0 16px; }
header { padding-top: 18px; color: var(--dim); }
header a { color: inherit; }
h1 { font-size: 22px; margin: 6px 0 14px; color: var(--text); overflow-wrap: anywhere; }
h2 { font-size: 16px; margin: 26px 0 8px; }
a { color: var(--link); text-decoration: none; }
a:hover, a:focus { text-decoration: underline; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 8px; overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: 7px 12px; border-top: 1px solid var(--line); vertical-align: middle; }
tr:first-child th { border-top: 0; }
th { font-weight: 600; color: var(--dim); font-size: 13px; white-space: nowrap; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.nowrap { white-space: nowrap; }
.name { overflow-wrap: anywhere; }
.phone { display: none; }
.dim { color: var(--dim); }
.wide { width: 45%; min-width: 130px; }
.state { font-weight: 600; white-space: nowrap; }
.state::before { content: "● "; }
.succeeded { color: var(--good); } .failed { color: var(--bad); } .running { color: var(--busy); }
.cancelled { color: var(--warn); } .pending { color: var(--idle); }
svg { display: block; width: 100%; height: 14px; background: var(--track); border-radius: 3px; }
svg .succeeded { fill: var(--good); } svg .failed { fill: var(--bad); } svg .running { fill: var(--busy); }
svg .cancelled { fill: var(--warn); }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(120px, 1fr)); gap: 10px; margin: 0; }
dl div { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 8px 12px; }
dt { color: var(--dim); font-size: 13px; } dd { margin: 0; font-size: 18px; font-variant-numeric: tabular-nums; }
.notice { background: var(--card); border: 1px solid var(--line); border-left: 4px solid var(--bad); border-radius: 8px;
  padding: 9px 12px; margin: 14px 0 0; overflow-wrap: anywhere; }
.notice.warn { border-left-color: var(--warn); }
pre { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 12px; overflow-x: auto;
  font: 13px/1.5 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
.empty { padding: 16px 12px; color: var(--dim); }
svg rect { stroke: var(--track); stroke-width: 1; vector-effect: non-scaling-stroke; }
footer { max-width: 1100px; margin: 24px auto; padding: 0 16px; color: var(--dim); font-size: 13px; }
@media (max-width: 640px) { .desk { display: none; } .phone { display: block; }
  th, td { padding: 7px 8px; } header, main { padding: 0 10px; }
  header { padding-top: 12px; } .wide { width: 35%; min-width: 70px; } dl { grid-template-columns: 1fr 1fr; } }
"""


def style_answer() -> HttpResponse:
    """The style sheet."""
    return HttpResponse(200, "text/css; charset=UTF-8", STYLE.encode())


def page(title: str, trail: str, body: str, *, refreshes: bool) -> HttpResponse:
    """A whole page; `trail` and `body` are HTML, `title` is text.

    With `refreshes` it reloads itself.
    """
    refresh = f'<meta http-equiv="refresh" content="{REFRESH_SECONDS}">' if refreshes else ""
    html = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="UTF-8"><meta name="viewport" content="width=device-width, initial-scale=1">{refresh}
<title>{escape(title)}</title>
<link rel="stylesheet" href="{STYLE_PATH}"><link rel="icon" href="data:,">
</head>
<body>
<header>{trail}<h1>{escape(title)}</h1></header>
<main>{body}</main>
<footer>Times are UTC.{" This page reloads itself while something runs." if refreshes else ""}</footer>
</body>
</html>
"""
    return HttpResponse(200, "text/html; charset=UTF-8", html.encode(), _HEADERS)


def format_time(seconds: float) -> str:
    """`11-24 14:03:59`; a dash for "not yet"."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%m-%d %H:%M:%S") if seconds else "-"


def state_label(state: str) -> str:
    """A state in its colour, and in words."""
    return f'<span class="state {state}">{state}</span>'
