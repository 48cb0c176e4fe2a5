"""connectorx as a stream of Arrow batches, written as they come by pyarrow.

connectorx_stream.py URL PARTITIONS OUTPUT
"""

import sys

import connectorx
import pyarrow.parquet

BATCH_ROWS = 131_072


def main(url: str, partitions: str, output: str) -> None:
    reader = connectorx.read_sql(
        url,
        "SELECT * FROM lineitem",
        return_type="arrow_stream",
        partition_on="l_orderkey",
        partition_num=int(partitions),
        batch_size=BATCH_ROWS,
    )
    with pyarrow.parquet.ParquetWriter(
        output, reader.schema, compression="zstd", compression_level=1
    ) as writer:
        for batch in reader:
            writer.write_batch(batch)


if __name__ == "__main__":
    main(*sys.argv[1:])
