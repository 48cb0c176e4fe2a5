"""The results as a picture: wall and CPU of each contender as ratios to goe."""

from __future__ import annotations

from html import escape

from report import SOURCES, conditions
from results import Results, Row

WIDTH = 1000
NAMES_WIDTH = 300
GAP = 60
BAR = 14
LINE = 22
TOP = 96
LONGEST = 5.0
PANEL = (WIDTH - NAMES_WIDTH - 2 * GAP) / 2
MEASURES = [("wall", "wall_seconds"), ("client CPU", "cpu_seconds")]

STYLE = """\
text { font: 12px sans-serif; fill: #222 }
.title { font-size: 18px; font-weight: bold }
.note { fill: #666; font-size: 11px }
.heading { font-weight: bold; font-size: 13px }
.goe { fill: #1b6ac9 } .peer { fill: #9aa5b1 } .floor { fill: #d9c9a3 }
.one { stroke: #a9c6e8; stroke-dasharray: 3 3 }"""


def text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    place = f'x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}"'
    return f'<text {place} class="{kind}">{escape(words)}</text>'


def kind_of(row: Row) -> str:
    """Its colour: goe, a peer, or a floor that writes nothing."""
    if row.name.startswith(("goe", "sqlite-goe")):
        return "goe"
    return "peer" if row.output else "floor"


def bar(
    results: Results, row: Row, reference: str, panel: int, y: float, scale: float
) -> list[str]:
    """One bar with its ratio; one that failed says so."""
    left = NAMES_WIDTH + panel * (PANEL + GAP)
    ratio = results.ratio(row.name, reference, MEASURES[panel][1])
    if ratio is None:
        return [text(left, y + BAR - 2, "failed" if row.failure else "no figure", "note")]
    width = min(ratio, LONGEST) * scale
    place = f'x="{left:.0f}" y="{y:.0f}" width="{width:.1f}" height="{BAR}"'
    return [
        f'<rect {place} class="{kind_of(row)}"/>',
        text(left + width + 5, y + BAR - 2, f"{ratio:.2f}"),
    ]


def largest(results: Results, rows: list[Row], reference: str, measure: str) -> float:
    """The largest ratio that has a bar of its full length."""
    ratios = [results.ratio(row.name, reference, measure) for row in rows]
    return min(LONGEST, max([1.0, *(ratio for ratio in ratios if ratio is not None)]))


def group(results: Results, source: str, top: float) -> tuple[list[str], float]:
    """The bars of one source from `top` on, and where they end."""
    heading, reference = SOURCES[source]
    rows = [row for row in results.rows if row.source == source and "filter" not in row.title]
    if not rows:
        return [], top
    parts = [text(20, top + BAR, heading, "heading")]
    first = top + LINE + 4
    end = first + LINE * len(rows)
    for panel, (title, measure) in enumerate(MEASURES):
        left = NAMES_WIDTH + panel * (PANEL + GAP)
        scale = PANEL / largest(results, rows, reference, measure)
        parts.append(text(left, top + BAR, f"{title}, goe = 1", "heading"))
        one = left + scale
        parts.append(
            f'<line x1="{one:.1f}" x2="{one:.1f}" y1="{first:.0f}" y2="{end - 8:.0f}" class="one"/>'
        )
        for line, row in enumerate(rows):
            parts += bar(results, row, reference, panel, first + line * LINE, scale)
    for line, row in enumerate(rows):
        parts.append(text(NAMES_WIDTH - 10, first + line * LINE + BAR - 2, row.title, "", "end"))
    return parts, end + 20


def svg(results: Results) -> str:
    parts = [
        text(20, 32, f"goe beside its peers: TPC-H lineitem, scale {results.scale:g}", "title")
    ]
    notes = conditions(results).splitlines()
    parts += [text(20, 50 + 14 * line, note, "note") for line, note in enumerate(notes)]
    top = float(TOP)
    for source in SOURCES:
        more, top = group(results, source, top)
        parts += more
    legend = f"Shorter is better; bars end at {LONGEST:g}. Pale bars are floors: they only read."
    parts.append(text(20, top, legend, "note"))
    body = "\n".join(parts)
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top + 20:.0f}" width="{WIDTH}">
<style>
{STYLE}
</style>
<rect class="paper" width="100%" height="100%" fill="#fff"/>
{body}
</svg>
"""
