"""The results as Markdown."""

from __future__ import annotations

from aims import AIMS, MEGABYTE, NOT_MEASURED
from contenders import GOE, GOE_SQLITE
from results import Results, Row

SOURCES = {"postgres": ("From PostgreSQL", GOE), "sqlite": ("From SQLite", GOE_SQLITE)}
UNKNOWN = "-"

COLUMNS = [
    "contender",
    "wall s",
    "CPU s",
    "server CPU s",
    "CPU / server's",
    "peak RSS MB",
    "output MB",
    "codec",
    "decimal(15,2) becomes",
    "date becomes",
    "wall / goe's",
    "CPU / goe's",
]


def number(value: float | None, digits: int = 2) -> str:
    return UNKNOWN if value is None else f"{value:.{digits}f}"


def table(columns: list[str], rows: list[list[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def cells(results: Results, row: Row, reference: str) -> list[str]:
    """One line of the table; one that failed says why in place of figures."""
    if row.failure:
        why = row.failure.replace("|", "\\|")
        return [row.title, f"failed: {why}", *[""] * (len(COLUMNS) - 2)]
    size = row.output.get("bytes")
    rss = results.median(row.name, "peak_rss_bytes")
    return [
        row.title,
        number(results.median(row.name, "wall_seconds")),
        number(results.median(row.name, "cpu_seconds")),
        number(results.median(row.name, "server_cpu_seconds")),
        number(results.cpu_beside_server(row.name)),
        number(rss / MEGABYTE if rss else None, 0),
        number(size / MEGABYTE if size else None, 1),
        *(row.output.get(key) or UNKNOWN for key in ("codec", "decimal", "date")),
        number(results.ratio(row.name, reference, "wall_seconds")),
        number(results.ratio(row.name, reference, "cpu_seconds")),
    ]


def section(results: Results, source: str) -> str:
    heading, reference = SOURCES[source]
    rows = [cells(results, row, reference) for row in results.rows if row.source == source]
    return f"## {heading}\n\n{table(COLUMNS, rows)}\n" if rows else ""


def aims(results: Results) -> str:
    rows = [[aim.number, aim.text, aim.bound_text(), *aim.verdict(results)] for aim in AIMS]
    return table(["aim", "what", "bound", "measured", ""], rows)


def conditions(results: Results) -> str:
    """Where and how it was measured."""
    machine, loads = results.machine, results.loads()
    return (
        f"TPC-H `lineitem` at scale {results.scale:g}, {results.rounds} rounds, medians."
        f" {results.goe}.\n"
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gigabytes']} GB;"
        f" {machine['postgres']}, SQLite {machine['sqlite']}.\n"
        f"Load average at the start of runs: {min(loads):.1f} to {max(loads):.1f}."
    )


def markdown(results: Results, picture: str) -> str:
    return f"""\
# goe beside its peers, {results.date}

{conditions(results)}

Every round runs each contender once, in an order that turns from round to round. A ratio is the
median over rounds of both runs of the same round; the machine's speed drifts, so ratios say more
than seconds. CPU is user and system time of the client, and apart from it of the server.

![wall and CPU as ratios]({picture})

{section(results, "postgres")}
{section(results, "sqlite")}
## Aims

{aims(results)}

{NOT_MEASURED}
"""
