"""TPC-H's lineitem, made once per scale and kept: in PostgreSQL and in a SQLite file."""

from __future__ import annotations

import csv
import itertools
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

from failure import Failure
from server import Server

COLUMNS = """
    l_orderkey bigint NOT NULL,
    l_partkey integer NOT NULL,
    l_suppkey integer NOT NULL,
    l_linenumber integer NOT NULL,
    l_quantity decimal(15,2) NOT NULL,
    l_extendedprice decimal(15,2) NOT NULL,
    l_discount decimal(15,2) NOT NULL,
    l_tax decimal(15,2) NOT NULL,
    l_returnflag char(1) NOT NULL,
    l_linestatus char(1) NOT NULL,
    l_shipdate date NOT NULL,
    l_commitdate date NOT NULL,
    l_receiptdate date NOT NULL,
    l_shipinstruct char(25) NOT NULL,
    l_shipmode char(10) NOT NULL,
    l_comment varchar(44) NOT NULL,
    PRIMARY KEY (l_orderkey, l_linenumber)
"""
ROWS_PER_INSERT = 10_000


def database(scale: float) -> str:
    """The name of the database that holds one scale."""
    return "tpch_sf" + f"{scale:g}".replace(".", "_")


def generator(tool: Path, scale: float) -> subprocess.Popen[str]:
    """A process that prints lineitem as CSV with a heading; its output is a pipe."""
    command = [str(tool), "csv", "--scale-factor", f"{scale:g}", "--tables", "lineitem", "--stdout"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def fill_postgres(server: Server, tool: Path, scale: float) -> None:
    """Loads the table unless it is complete, which a comment on it says."""
    name, complete = database(scale), f"TPC-H lineitem at scale {scale:g}"
    server.create_database(name)
    found = server.ask(name, "SELECT obj_description(to_regclass('public.lineitem'))")
    if found == complete:
        return
    if not server.ours and server.ask(name, "SELECT to_regclass('public.lineitem')"):
        raise Failure(
            "The database of --postgres has a table public.lineitem of another kind; drop it."
        )
    server.ask(
        name, f"DROP TABLE IF EXISTS public.lineitem; CREATE TABLE public.lineitem ({COLUMNS})"
    )
    with generator(tool, scale) as source:
        copy = "\\copy public.lineitem FROM STDIN WITH (FORMAT csv, HEADER)"
        command = [server.psql, "-Xq", "-v", "ON_ERROR_STOP=1", "-d", server.url(name), "-c", copy]
        loaded = subprocess.run(command, stdin=source.stdout).returncode
    if loaded != 0 or source.returncode != 0:
        raise Failure("lineitem could not be loaded into PostgreSQL.")
    server.ask(name, "VACUUM (ANALYZE, FREEZE) public.lineitem")
    server.ask(name, f"COMMENT ON TABLE public.lineitem IS '{complete}'")
    server.ask(name, "CHECKPOINT")


def fill_sqlite(path: Path, tool: Path, scale: float) -> None:
    """Writes the file unless it is there; it gets its name once it is complete."""
    if path.exists():
        return
    unfinished = path.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    connection = sqlite3.connect(unfinished, isolation_level=None)
    connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")
    connection.execute(f"CREATE TABLE lineitem ({COLUMNS})")
    with generator(tool, scale) as source:
        assert source.stdout is not None
        rows = csv.reader(source.stdout)
        next(rows)
        connection.execute("BEGIN")
        for some in batches(rows):
            connection.executemany(f"INSERT INTO lineitem VALUES ({','.join('?' * 16)})", some)
        connection.execute("COMMIT")
    if source.returncode != 0:
        raise Failure("lineitem could not be generated for SQLite.")
    connection.execute("ANALYZE")
    connection.close()
    unfinished.rename(path)


def batches(rows: Iterator[list[str]]) -> Iterator[list[list[str]]]:
    while some := list(itertools.islice(rows, ROWS_PER_INSERT)):
        yield some
