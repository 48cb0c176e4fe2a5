"""Prints as JSON the one row that a statement gives on a table lineitem.

totals.py sqlite SQL FILE
totals.py parquet SQL FILE...
"""

import json
import sqlite3
import sys

import duckdb


def main(kind: str, sql: str, *files: str) -> None:
    if kind == "sqlite":
        # SQLite has no dates, and so no DATE before a literal.
        row = sqlite3.connect(f"file:{files[0]}?mode=ro", uri=True).execute(
            sql.replace("DATE '", "'")
        )
    else:
        connection = duckdb.connect()
        connection.read_parquet(list(files)).create_view("lineitem")
        row = connection.execute(sql)
    print(json.dumps(row.fetchone()))


if __name__ == "__main__":
    main(*sys.argv[1:])
