"""connectorx into an Arrow table, and that into one Parquet file by pyarrow.

connectorx_table.py URL PARTITIONS OUTPUT
"""

import sys

import connectorx
import pyarrow.parquet


def main(url: str, partitions: str, output: str) -> None:
    options = (
        {"partition_on": "l_orderkey", "partition_num": int(partitions)}
        if partitions != "1"
        else {}
    )
    table = connectorx.read_sql(url, "SELECT * FROM lineitem", return_type="arrow", **options)
    pyarrow.parquet.write_table(table, output, compression="zstd", compression_level=1)


if __name__ == "__main__":
    main(*sys.argv[1:])
