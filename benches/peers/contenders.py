"""Who is measured, and how each is started."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

TOOLS = Path(__file__).resolve().parent / "tools"
JDBC_DRIVER = Path("/usr/share/java/postgresql.jar")
FILTER = "l_shipdate < DATE '1993-01-01'"

GOE = "goe"
GOE_SQLITE = "sqlite-goe-2"


@dataclass(frozen=True)
class Place:
    """What a contender may use: its source, its output folder, and where programs are."""

    url: str
    sqlite: Path
    output: Path
    goe: Path
    psql: str
    work: Path

    @property
    def file(self) -> str:
        """One Parquet file in the output folder."""
        return str(self.output / "lineitem.parquet")

    def python(self, tool: str, *arguments: str) -> list[str]:
        """A command that runs one of our tools in the environment of the peers."""
        return [str(self.work / "python/bin/python"), str(TOOLS / tool), *arguments]

    def program(self, name: str) -> str:
        """A program that a Python package installed."""
        return str(self.work / "python/bin" / name)


@dataclass(frozen=True)
class Contender:
    """One row of the results.

    `command` gives the command line; it may write small files beside the output folder first, and
    raises `OSError` if what it needs is not here.
    """

    name: str
    title: str
    source: str
    command: Callable[[Place], list[str]]
    writes: bool = True
    filtered: bool = False
    only_with_all: bool = False

    @property
    def is_goe(self) -> bool:
        return "goe" in self.name.split("-")


def goe(place: Place, source: str, *options: str) -> list[str]:
    """An offload into a new Delta table."""
    configure(place)
    return [str(place.goe), "offload", source, "--to", f"{lake(place)}.lineitem", *options, "-x"]


def goe_tables(*options: str) -> Callable[[Place], list[str]]:
    """An offload of every table, each into a Delta table of its own."""

    def command(place: Place) -> list[str]:
        configure(place)
        return [str(place.goe), "offload", "pg.public.*", "--to", lake(place), *options, "-x"]

    return command


def goe_first_row() -> Callable[[Place], list[str]]:
    """The preview of one row."""

    def command(place: Place) -> list[str]:
        configure(place)
        return [str(place.goe), "preview", "pg.public.lineitem", "--limit", "1"]

    return command


def lake(place: Place) -> str:
    return f"delta://{place.output}/lake#main"


def configure(place: Place) -> None:
    """Writes a configuration that keeps a person's own out."""
    configuration = place.output.parent / "goe.toml"
    configuration.touch(mode=0o600)
    configuration.write_text(goe_connections(place))


def goe_connections(place: Place) -> str:
    """The server as a connection, since goe takes no password in a URL that it remembers."""
    url = urlsplit(place.url)
    bare = url._replace(netloc=f"{url.username}@{url.hostname}:{url.port or 5432}")
    password = f"password = {json.dumps(unquote(url.password))}\n" if url.password else ""
    return f"[connections.pg]\nurl = {json.dumps(bare.geturl())}\n{password}"


def goe_postgres(*options: str, table: str = "lineitem") -> Callable[[Place], list[str]]:
    return lambda place: goe(place, f"pg.public.{table}", *options)


def goe_sqlite(*options: str) -> Callable[[Place], list[str]]:
    return lambda place: goe(place, f"sqlite:{place.sqlite}#main.lineitem", *options)


def raw_copy(connections: int, condition: str = "true") -> Callable[[Place], list[str]]:
    return lambda place: [
        str(TOOLS / "raw_copy"),
        place.psql,
        place.url,
        str(connections),
        condition,
    ]


def duckdb_postgres(place: Place) -> list[str]:
    return place.python("duckdb_copy.py", "postgres", place.url, place.file)


def duckdb_sqlite(place: Place) -> list[str]:
    return place.python("duckdb_copy.py", "sqlite", str(place.sqlite), place.file)


def connectorx_postgres(partitions: int) -> Callable[[Place], list[str]]:
    return lambda place: place.python("connectorx_table.py", place.url, str(partitions), place.file)


def connectorx_stream(place: Place) -> list[str]:
    return place.python("connectorx_stream.py", place.url, "2", place.file)


def connectorx_sqlite(partitions: int) -> Callable[[Place], list[str]]:
    return lambda place: place.python(
        "connectorx_table.py", f"sqlite://{place.sqlite}", str(partitions), place.file
    )


def adbc_postgres(place: Place) -> list[str]:
    return place.python("adbc_copy.py", "postgresql", place.url, place.file)


def adbc_sqlite(place: Place) -> list[str]:
    return place.python("adbc_copy.py", "sqlite", str(place.sqlite), place.file)


def rivet(place: Place) -> list[str]:
    """Mode full, with the profile that rivet advises for a local server."""
    configuration = place.output.parent / "rivet.yaml"
    configuration.write_text(
        f"""\
source:
  type: postgres
  url: "{place.url}"
  environment: local
exports:
  - name: lineitem
    query: "SELECT * FROM public.lineitem"
    mode: full
    format: parquet
    compression: zstd
    compression_level: 1
    destination:
      type: local
      path: "{place.output}"
"""
    )
    return [place.program("rivet"), "run", "--config", str(configuration)]


def spark(place: Place) -> list[str]:
    """One partition, as a table without hints is read."""
    needed(JDBC_DRIVER)
    url = urlsplit(place.url)
    jdbc = f"jdbc:postgresql://{url.hostname}:{url.port or 5432}{url.path}"
    return place.python(
        "spark_jdbc.py",
        str(JDBC_DRIVER),
        jdbc,
        url.username or "",
        url.password or "",
        str(place.output),
    )


def sling(place: Place) -> list[str]:
    """The program itself: the package `sling` would download it anew."""
    program = next(place.work.glob("python/lib/*/site-packages/sling_*/bin/sling-*"), None)
    if program is None:
        raise FileNotFoundError("sling is not installed")
    source = ["--src-conn", f"{place.url}?sslmode=disable", "--src-stream", "public.lineitem"]
    return [str(program), "run", *source, "--tgt-object", f"file://{place.file}"]


def odbc2parquet(place: Place) -> list[str]:
    """With a cursor in the driver, which holds the whole result in memory otherwise."""
    program = place.work / "cargo/bin/odbc2parquet"
    needed(program)
    url = urlsplit(place.url)
    connection = (
        f"Driver=PostgreSQL Unicode;Server={url.hostname};Port={url.port or 5432};"
        f"Database={url.path.strip('/')};Uid={url.username or ''};Pwd={url.password or ''};"
        "UseDeclareFetch=1;Fetch=10000;"
    )
    codec = ["--column-compression-default", "zstd", "--column-compression-level-default", "1"]
    query = "SELECT * FROM public.lineitem"
    return [str(program), "query", "--connection-string", connection, *codec, place.file, query]


def sqlite_step(place: Place) -> list[str]:
    """The loop in C, compiled once; in Python where it does not compile."""
    program = place.work / "sqlite_step"
    if not program.exists():
        compiler = shutil.which("cc")
        source = str(TOOLS / "sqlite_step.c")
        if compiler:
            command = [compiler, "-O2", "-o", str(program), source, "-lsqlite3"]
            subprocess.run(command, capture_output=True)
    if program.exists():
        return [str(program), str(place.sqlite)]
    return place.python("sqlite_step.py", str(place.sqlite))


def needed(path: Path) -> None:
    if not path.exists():
        raise FileNotFoundError(f"{path.name} is not installed")


CONTENDERS = [
    Contender("goe", "goe, 2 workers", "postgres", goe_postgres("--parallel", "2")),
    Contender(
        "goe-count",
        "goe, 2 workers, --verify count",
        "postgres",
        goe_postgres("--parallel", "2", "--verify", "count"),
    ),
    Contender("duckdb", "DuckDB postgres scanner", "postgres", duckdb_postgres),
    Contender("connectorx-1", "connectorx + pyarrow", "postgres", connectorx_postgres(1)),
    Contender(
        "connectorx-2", "connectorx + pyarrow, 2 partitions", "postgres", connectorx_postgres(2)
    ),
    Contender(
        "connectorx-4", "connectorx + pyarrow, 4 partitions", "postgres", connectorx_postgres(4)
    ),
    Contender(
        "connectorx-stream-2",
        "connectorx stream + pyarrow, 2 partitions",
        "postgres",
        connectorx_stream,
    ),
    Contender("adbc", "ADBC PostgreSQL + pyarrow", "postgres", adbc_postgres),
    Contender("rivet", "rivet, mode full", "postgres", rivet),
    Contender("spark", "Spark JDBC, 1 partition", "postgres", spark, only_with_all=True),
    Contender("sling", "Sling", "postgres", sling, only_with_all=True),
    Contender(
        "odbc2parquet", "odbc2parquet + psqlodbc", "postgres", odbc2parquet, only_with_all=True
    ),
    Contender("copy-1", "raw COPY BINARY, 1 connection", "postgres", raw_copy(1), writes=False),
    Contender("copy-2", "raw COPY BINARY, 2 connections", "postgres", raw_copy(2), writes=False),
    Contender(
        "goe-filtered",
        "goe, one filter",
        "postgres",
        goe_postgres("--parallel", "2", "--where", FILTER),
        filtered=True,
    ),
    Contender(
        "copy-filtered",
        "raw COPY BINARY, the same filter",
        "postgres",
        raw_copy(1, FILTER),
        writes=False,
        filtered=True,
    ),
    Contender("sqlite-goe-2", "goe, 2 workers", "sqlite", goe_sqlite("--parallel", "2")),
    Contender("sqlite-goe-1", "goe, 1 worker", "sqlite", goe_sqlite("--parallel", "1")),
    Contender("sqlite-duckdb", "DuckDB sqlite scanner", "sqlite", duckdb_sqlite),
    Contender("sqlite-connectorx-1", "connectorx + pyarrow", "sqlite", connectorx_sqlite(1)),
    Contender(
        "sqlite-connectorx-2", "connectorx + pyarrow, 2 partitions", "sqlite", connectorx_sqlite(2)
    ),
    Contender("sqlite-adbc", "ADBC SQLite + pyarrow", "sqlite", adbc_sqlite),
    Contender("sqlite-step", "bare sqlite3_step loop", "sqlite", sqlite_step, writes=False),
]


def environment(folder: Path) -> dict[str, str]:
    """What every child sees: ours without goe's settings, and what is temporary in `folder`."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("GOE_", "PG"))
    }
    temporary = {
        "TMPDIR": str(folder),
        "SPARK_LOCAL_DIRS": str(folder),
        "JDK_JAVA_OPTIONS": f"-Djava.io.tmpdir={folder}",
    }
    # Without the last, Sling downloads DuckDB's program and lets it write.
    sling = {"SLING_DISABLE_TELEMETRY": "true", "SLING_DUCKDB_COMPUTE": "false"}
    return kept | temporary | {"DO_NOT_TRACK": "1"} | sling
