"""How goe alone grows: with rows, workers, columns, tables and the width of values; how it starts."""

from __future__ import annotations

import datetime
import json
import os
import shutil
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import process
from contenders import Place, environment, goe_first_row, goe_postgres, goe_tables
from failure import Failure
from report import table
from server import Server
from tables import database, fill_postgres

SCALES = [0.1, 1.0, 10.0]
WORKERS = [1, 2, 4, 8]
BUDGETS = ["200MiB", "96MiB"]
COLUMNS = [4, 16, 64, 250, 1000]
CELLS = 4_000_000
WIDTHS = [10, 100, 1_000, 10_000, 100_000]
TEXT_BYTES = 100_000_000
TABLES = 1_000
TABLES_PER_TRANSACTION = 50
ROWS_OF_TABLE = 100
STARTS = 5
FIRST_ROW = "start to first row"
# The least memory.
SMALL_BUDGET = "32MiB"
SMALL_TABLES = f"{TABLES:,} tables of {ROWS_OF_TABLE} rows"
BYTES_PER_SCALE = 4 * 10**9
TIMEOUT_SECONDS = 7200


@dataclass(frozen=True)
class Point:
    """One run of goe."""

    what: str
    workers: int
    wall_seconds: float
    cpu_seconds: float
    peak_rss_bytes: int
    load_average: float


def measure(
    server: Server, goe: Path, described: str, work: Path, largest: float, folder: Path
) -> None:
    """Measures every point up to a scale, and writes them to `folder`."""
    growth = Growth(server, goe, work)
    for scale in [each for each in SCALES if each <= largest]:
        if shutil.disk_usage(work).free < scale * BYTES_PER_SCALE:
            print(f"scale {scale:g} is left out: the disk is too small")
            continue
        growth.rows(scale)
    growth.columns()
    growth.widths()
    growth.starts()
    growth.tables()
    write(growth.points, described, folder)


class Growth:
    """Runs goe in one place, and collects what each run cost."""

    def __init__(self, server: Server, goe: Path, work: Path) -> None:
        self.server, self.goe, self.work = server, goe, work
        self.points: list[Point] = []

    def rows(self, scale: float) -> None:
        fill_postgres(self.server, self.work / "python/bin/tpchgen-cli", scale)
        for workers in WORKERS:
            self.offload(f"scale {scale:g}", "lineitem", database(scale), workers)
        for budget in BUDGETS:
            what = f"scale {scale:g}, --memory {budget}"
            self.offload(what, "lineitem", database(scale), 2, "--memory", budget)
        self.offload(small(scale), "lineitem", database(scale), 1, "--memory", SMALL_BUDGET)

    def columns(self) -> None:
        name = database(SCALES[0])
        for columns in COLUMNS:
            fill_columns(self.server, name, columns)
            self.offload(f"{columns} columns", f"columns_{columns}", name)

    def widths(self) -> None:
        name = database(SCALES[0])
        for width in WIDTHS:
            fill_texts(self.server, name, width)
            self.offload(f"texts of {width} B", f"texts_{width}", name)

    def starts(self) -> None:
        for _ in range(STARTS):
            self.point(FIRST_ROW, 2, database(SCALES[0]), goe_first_row())

    def tables(self) -> None:
        name = "tables"
        fill_tables(self.server, name)
        self.point(SMALL_TABLES, 2, name, goe_tables("--parallel", "2"))

    def offload(self, what: str, source: str, name: str, workers: int = 2, *options: str) -> None:
        command = goe_postgres("--parallel", str(workers), *options, table=source)
        self.point(what, workers, name, command)

    def point(
        self,
        what: str,
        workers: int,
        name: str,
        command: Callable[[Place], list[str]],
    ) -> None:
        """One run into an empty output folder. One that fails ends the measurement."""
        output = self.work / "run/output"
        shutil.rmtree(output.parent, ignore_errors=True)
        output.mkdir(parents=True)
        os.sync()
        place = Place(
            self.server.url(name), self.work / "none", output, self.goe, self.server.psql, self.work
        )
        line = command(place)
        load, log = os.getloadavg()[0], self.work / "child.log"
        used = process.run(line, output.parent, environment(output.parent), log, TIMEOUT_SECONDS)
        if used.exit_code != 0:
            said = log.read_text(errors="replace").strip()
            raise Failure(f"goe failed on {what}: {said}")
        self.points.append(
            Point(what, workers, used.wall_seconds, used.cpu_seconds, used.peak_rss_bytes, load)
        )
        cost = f"{used.wall_seconds:.2f} s, {used.peak_rss_bytes / 1e6:.0f} MB"
        print(f"{what:28} {workers} workers: {cost}", flush=True)


def small(scale: float) -> str:
    """The smallest profile at a scale, which is measured with one worker."""
    return f"scale {scale:g}, --memory {SMALL_BUDGET}"


def fill_columns(server: Server, name: str, columns: int) -> None:
    """A table of integers: as many cells whatever the number of columns."""
    fields = ", ".join(f"n + {column} AS c{column}" for column in range(columns))
    table_name = f"public.columns_{columns}"
    server.ask(
        name,
        f"CREATE TABLE IF NOT EXISTS {table_name} AS"
        f" SELECT {fields} FROM generate_series(1, {CELLS // columns}) AS n",
    )
    server.ask(name, f"VACUUM ANALYZE {table_name}")


def fill_texts(server: Server, name: str, width: int) -> None:
    """A table of texts that differ: as many bytes whatever their width."""
    table_name = f"public.texts_{width}"
    digits = f"left(repeat(md5(n::text), {width // 32 + 1}), {width})"
    server.ask(
        name,
        f"CREATE TABLE IF NOT EXISTS {table_name} AS"
        f" SELECT n, {digits} AS t FROM generate_series(1, {TEXT_BYTES // width}) AS n",
    )
    server.ask(name, f"VACUUM ANALYZE {table_name}")


def fill_tables(server: Server, name: str) -> None:
    """Many tables of few rows."""
    server.create_database(name)
    rows = f"generate_series(1, {ROWS_OF_TABLE}) AS n"
    for number in range(1, TABLES + 1, TABLES_PER_TRANSACTION):
        statements = [
            f"CREATE TABLE IF NOT EXISTS public.small_{table} AS"
            f" SELECT n AS id, md5(n::text) AS name, n * 1.5 AS amount FROM {rows}"
            for table in range(number, number + TABLES_PER_TRANSACTION)
        ]
        server.ask(name, "; ".join(statements))
    server.ask(name, "VACUUM ANALYZE")


def write(points: list[Point], described: str, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    today = datetime.date.today().isoformat()
    rows = [
        [
            each.what,
            str(each.workers),
            f"{each.wall_seconds:.2f}",
            f"{each.cpu_seconds:.2f}",
            f"{each.peak_rss_bytes / 1e6:.0f}",
            f"{each.load_average:.1f}",
        ]
        for each in points
    ]
    figures = table(["what", "workers", "wall s", "CPU s", "peak RSS MB", "load"], rows)
    note = f"One run each, from PostgreSQL, {os.cpu_count()} cores. {described}."
    shown = f"# How goe grows, {today}\n\n{note}\n\n{figures}\n\n"
    shown += f"## Aims\n\n{aims(points)}\n"
    (folder / f"{today}-growth.md").write_text(shown)
    written = json.dumps([asdict(each) for each in points], indent=1)
    (folder / f"{today}-growth.json").write_text(written + "\n")
    print(shown)


def aims(points: list[Point]) -> str:
    """The aims about growth and start, each beside what was measured; those without are left out."""

    def median(what: str, figure: str, workers: int = 2) -> float | None:
        these = [each for each in points if (each.what, each.workers) == (what, workers)]
        return statistics.median(getattr(each, figure) for each in these) if these else None

    one, ten = (median(f"scale {scale:g}", "peak_rss_bytes") for scale in (1.0, 10.0))
    least = median(small(SCALES[-1]), "peak_rss_bytes", 1)
    aimed = [
        ("G4", "peak RSS at SF10 over that at SF1", 1.1, ten and one and ten / one),
        ("G4", f"peak RSS at {small(SCALES[-1])}, one worker, MB", 96, least and least / 1e6),
        ("G9", f"{FIRST_ROW}, median of {STARTS}, s", 0.15, median(FIRST_ROW, "wall_seconds")),
        ("G9", f"{SMALL_TABLES}, s", 60, median(SMALL_TABLES, "wall_seconds")),
    ]
    rows = [
        [number, what, f"<= {bound:g}", f"{value:.2f}", "met" if value <= bound else "**missed**"]
        for number, what, bound, value in aimed
        if value is not None
    ]
    return table(["aim", "what", "bound", "measured", ""], rows)
