"""DuckDB's scanner of PostgreSQL or SQLite, into one Parquet file.

duckdb_copy.py postgres|sqlite SOURCE OUTPUT
"""

import importlib.util
import sys
from pathlib import Path

import duckdb


def extension(system: str) -> Path:
    """The extension as its package ships it, so that nothing is fetched while we measure."""
    package = importlib.util.find_spec(f"duckdb_extension_{system}_scanner")
    return next(Path(package.origin).parent.rglob("*.duckdb_extension"))


def main(system: str, source: str, output: str) -> None:
    connection = duckdb.connect()
    connection.load_extension(str(extension(system)))
    connection.execute(f"ATTACH '{source}' AS source (TYPE {system}, READ_ONLY)")
    schema = {"postgres": "public", "sqlite": "main"}[system]
    connection.execute(
        f"COPY (SELECT * FROM source.{schema}.lineitem) TO '{output}'"
        " (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
