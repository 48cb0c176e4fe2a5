"""Whether goe's output holds the rows of its source, as others see both.

The same expressions are asked of the source by its own engine and of the Parquet files by DuckDB:
counts and sums of every column, and sums that tie columns to each other. Decimals are summed as
whole hundredths, since SQLite has no decimals of its own.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from contenders import FILTER, Contender, Place
from failure import Failure
from server import Server

INTEGERS = ["l_orderkey", "l_partkey", "l_suppkey", "l_linenumber"]
DECIMALS = ["l_quantity", "l_extendedprice", "l_discount", "l_tax"]
TEXTS = ["l_returnflag", "l_linestatus", "l_shipinstruct", "l_shipmode", "l_comment"]
DATES = ["l_shipdate", "l_commitdate", "l_receiptdate"]


def hundredths(column: str) -> str:
    return f"CAST(round({column} * 100) AS BIGINT)"


def expressions() -> list[str]:
    sums = [
        *INTEGERS,
        *map(hundredths, DECIMALS),
        *(f"length(rtrim({column}))" for column in TEXTS),
        "l_orderkey * l_linenumber",
        f"{hundredths('l_extendedprice')} * length(rtrim(l_comment))",
        f"l_partkey * {hundredths('l_tax')}",
    ]
    dates = [f"{side}({column})" for column in DATES for side in ("min", "max")]
    return ["count(*)", *(f"sum({each})" for each in sums), *dates]


def statement(table: str, *, filtered: bool) -> str:
    """One row of text, one field for each expression."""
    fields = ", ".join(f"CAST({each} AS VARCHAR(40))" for each in expressions())
    return f"SELECT {fields} FROM {table}" + (f" WHERE {FILTER}" if filtered else "")


class Source:
    """Asks a source once for each statement, since it does not change."""

    def __init__(self, server: Server, database: str) -> None:
        self._server = server
        self._database = database
        self._known: dict[tuple[str, bool], list[str]] = {}

    def totals(self, contender: Contender, place: Place) -> list[str]:
        key = (contender.source, contender.filtered)
        if key not in self._known:
            self._known[key] = self._ask(contender, place)
        return self._known[key]

    def rows(self, contender: Contender, place: Place) -> int:
        return int(self.totals(contender, place)[0])

    def _ask(self, contender: Contender, place: Place) -> list[str]:
        if contender.source == "postgres":
            sql = statement("public.lineitem", filtered=contender.filtered)
            return self._server.ask(self._database, sql).split("|")
        sql = statement("lineitem", filtered=contender.filtered)
        return asked_by_python(place, "sqlite", sql, str(place.sqlite))


def published_files(table: Path) -> list[str]:
    """The files that the log of a Delta table names."""
    files: dict[str, None] = {}
    for commit in sorted((table / "_delta_log").glob("*.json")):
        for action in map(json.loads, commit.read_text().splitlines()):
            if "add" in action:
                files[str(table / action["add"]["path"])] = None
            elif "remove" in action:
                files.pop(str(table / action["remove"]["path"]), None)
    return list(files)


def prove(contender: Contender, place: Place, source: Source) -> None:
    """Raises unless the source and what goe wrote agree on every expression."""
    files = published_files(place.output / "lake/main/lineitem")
    sql = statement("lineitem", filtered=False)
    written = asked_by_python(place, "parquet", sql, *files)
    wanted = source.totals(contender, place)
    for expression, ours, theirs in zip(expressions(), written, wanted, strict=True):
        if ours != theirs:
            raise Failure(
                f"{contender.name} is wrong: {expression} is {ours}, in the source {theirs}."
            )


def asked_by_python(place: Place, kind: str, sql: str, *files: str) -> list[str]:
    """What a child says, so that no reader's memory counts as ours."""
    command = place.python("totals.py", kind, sql, *files)
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failure(f"The independent reader failed: {done.stderr.strip().splitlines()[-1]}")
    totals: list[str] = json.loads(done.stdout)
    return totals
