"""Tells as JSON what a folder of Parquet holds: rows, bytes, codec, and what two columns became.

inspect_output.py FOLDER
"""

import json
import sys
from pathlib import Path

import pyarrow
import pyarrow.parquet


def type_name(kind: pyarrow.DataType) -> str:
    """A type, or what an extension type is stored as."""
    return str(kind.storage_type if isinstance(kind, pyarrow.BaseExtensionType) else kind)


def main(folder: str) -> None:
    files = [path for path in Path(folder).rglob("*.parquet") if "_delta_log" not in path.parts]
    if not files:
        raise SystemExit("It wrote no Parquet file.")
    first = pyarrow.parquet.ParquetFile(files[0])
    types = {field.name.lower(): type_name(field.type) for field in first.schema_arrow}
    found = {
        "rows": sum(pyarrow.parquet.read_metadata(path).num_rows for path in files),
        "bytes": sum(path.stat().st_size for path in files),
        "codec": first.metadata.row_group(0).column(0).compression.lower(),
        "decimal": types.get("l_extendedprice"),
        "date": types.get("l_shipdate"),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
