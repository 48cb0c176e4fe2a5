"""How goe alone grows: with rows, with workers, with columns, and with the width of values."""

from __future__ import annotations

import datetime
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import process
from contenders import Place, environment, goe_postgres
from failure import Failure
from report import table
from server import Server
from tables import database, fill_postgres

SCALES = [0.1, 1.0, 10.0]
WORKERS = [1, 2, 4, 8]
COLUMNS = [4, 16, 64, 250, 1000]
CELLS = 4_000_000
WIDTHS = [10, 100, 1_000, 10_000, 100_000]
TEXT_BYTES = 100_000_000
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


def measure(server: Server, goe: Path, work: Path, largest: float, folder: Path) -> None:
    """Measures every point up to a scale, and writes them to `folder`."""
    points: list[Point] = []
    for scale in [each for each in SCALES if each <= largest]:
        if shutil.disk_usage(work).free < scale * BYTES_PER_SCALE:
            print(f"scale {scale:g} is left out: the disk is too small")
            continue
        fill_postgres(server, work / "python/bin/tpchgen-cli", scale)
        for workers in WORKERS:
            points.append(
                point(server, goe, work, database(scale), "lineitem", workers, f"scale {scale:g}")
            )
    name = database(SCALES[0])
    for columns in COLUMNS:
        fill_columns(server, name, columns)
        points.append(point(server, goe, work, name, f"columns_{columns}", 2, f"{columns} columns"))
    for width in WIDTHS:
        fill_texts(server, name, width)
        points.append(point(server, goe, work, name, f"texts_{width}", 2, f"texts of {width} B"))
    write(points, folder)


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


def point(
    server: Server, goe: Path, work: Path, name: str, source: str, workers: int, what: str
) -> Point:
    output = work / "run/output"
    shutil.rmtree(output.parent, ignore_errors=True)
    output.mkdir(parents=True)
    place = Place(server.url(name), work / "none", output, goe, server.psql, work)
    command = goe_postgres("--parallel", str(workers), table=source)(place)
    load, log = os.getloadavg()[0], work / "child.log"
    used = process.run(command, output.parent, environment(output.parent), log, TIMEOUT_SECONDS)
    if used.exit_code != 0:
        raise Failure(f"goe failed on {what}: {log.read_text(errors='replace').strip()}")
    cost = f"{used.wall_seconds:.2f} s, {used.peak_rss_bytes / 1e6:.0f} MB"
    print(f"{what:18} {workers} workers: {cost}", flush=True)
    return Point(what, workers, used.wall_seconds, used.cpu_seconds, used.peak_rss_bytes, load)


def write(points: list[Point], folder: Path) -> None:
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
    figures = table(["table", "workers", "wall s", "CPU s", "peak RSS MB", "load"], rows)
    note = f"One run each, from PostgreSQL, {os.cpu_count()} cores."
    shown = f"# How goe grows, {today}\n\n{note}\n\n{figures}\n"
    (folder / f"{today}-growth.md").write_text(shown)
    written = json.dumps([asdict(each) for each in points], indent=1)
    (folder / f"{today}-growth.json").write_text(written + "\n")
    print(shown)
