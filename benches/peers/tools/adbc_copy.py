"""ADBC's driver of PostgreSQL or SQLite, written batch by batch by pyarrow.

adbc_copy.py postgresql|sqlite SOURCE OUTPUT
"""

import importlib
import sys

import pyarrow.parquet

# SQLite's driver makes batches of 1,024 rows by itself, each of which would be a row group.
OPTIONS = {"postgresql": {}, "sqlite": {"adbc.sqlite.query.batch_rows": "131072"}}


def main(system: str, source: str, output: str) -> None:
    driver = importlib.import_module(f"adbc_driver_{system}.dbapi")
    with driver.connect(source) as connection, connection.cursor() as cursor:
        cursor.adbc_statement.set_options(**OPTIONS[system])
        cursor.execute("SELECT * FROM lineitem")
        reader = cursor.fetch_record_batch()
        with pyarrow.parquet.ParquetWriter(
            output, reader.schema, compression="zstd", compression_level=1
        ) as writer:
            for batch in reader:
                writer.write_batch(batch)


if __name__ == "__main__":
    main(*sys.argv[1:])
