"""Reads a Delta table with other programs' code and compares it with its source, value by value.

    independent.py LAKE_TABLE sqlite DATABASE_FILE TABLE
    independent.py LAKE_TABLE postgres URL TABLE

The table is read by the packages `deltalake` and `duckdb`, the source by `sqlite3` or `psycopg2`.
LAKE_TABLE is a folder, or s3://BUCKET/PATH, az://CONTAINER/PATH or gs://BUCKET/PATH with the store's
address and keys in the environment (AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
AWS_REGION; AZURE_ENDPOINT, AZURE_STORAGE_ACCOUNT_NAME, AZURE_STORAGE_ACCOUNT_KEY; or
GOOGLE_SERVICE_ACCOUNT_KEY).

Rows are compared as multisets of exact values: decimals by value, instants in UTC. The statistics
in the table's log are compared with the rows of each file. Ends with one line, or with the first
differences and exit code 1.
"""

import collections
import datetime
import decimal
import json
import os
import sqlite3
import sys
import urllib.parse

import deltalake
import deltalake.fs
import duckdb
import pyarrow
import pyarrow.fs
import pyarrow.parquet
import pyarrow.types as kinds

UTC = datetime.timezone.utc


def exact(value):
    """A value in the one form in which both sides are compared."""
    if isinstance(value, decimal.Decimal):
        return ("decimal", value.normalize(decimal.Context(prec=200)))
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        return ("instant", value.astimezone(UTC))
    if isinstance(value, (memoryview, bytearray)):
        return bytes(value)
    if isinstance(value, float) and value != value:
        return "NaN"
    return value


def from_sqlite(value, kind):
    """What SQLite holds, read as the type that the lake declares."""
    if value is None:
        return None
    if kinds.is_decimal(kind):
        return decimal.Decimal(str(value))
    if kinds.is_boolean(kind):
        return bool(value)
    if kinds.is_date(kind):
        return datetime.date.fromisoformat(value)
    if kinds.is_timestamp(kind):
        return datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
    if kinds.is_floating(kind):
        return float(value)
    return value


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def sqlite_rows(database, table, schema):
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    names = ", ".join(quoted(field.name) for field in schema)
    for row in connection.execute(f"SELECT {names} FROM {quoted(table)}"):
        yield tuple(from_sqlite(value, field.type) for value, field in zip(row, schema))


def postgres_rows(url, table, schema):
    import psycopg2

    connection = psycopg2.connect(url)
    cursor = connection.cursor()
    cursor.execute("SET TimeZone = 'UTC'")

    def selected(field):
        text = kinds.is_string(field.type) or kinds.is_large_string(field.type)
        name = quoted(field.name)
        # format() gives what the type's own output gives: a char(n) keeps its blanks.
        return f"CASE WHEN {name} IS NOT NULL THEN format('%s', {name}) END" if text else name

    place = ".".join(quoted(part) for part in table.split("."))
    cursor.execute(f"SELECT {', '.join(selected(field) for field in schema)} FROM {place}")
    yield from cursor


def rows_of(table):
    return zip(*(column.to_pylist() for column in table.columns))


def multiset(rows):
    return collections.Counter(tuple(exact(value) for value in row) for row in rows)


def differences(one, other, name):
    """What `one` has and `other` has not, in words."""
    return [f"{name} only ({count}x): {row}" for row, count in list((one - other).items())[:5]]


def azure():
    """Azure's blobs, at an address that has the account in its path."""
    scheme, address = os.environ["AZURE_ENDPOINT"].split("://")
    return pyarrow.fs.AzureFileSystem(
        os.environ["AZURE_STORAGE_ACCOUNT_NAME"],
        account_key=os.environ["AZURE_STORAGE_ACCOUNT_KEY"],
        blob_storage_authority=address.split("/")[0],
        blob_storage_scheme=scheme,
        dfs_storage_authority=address.split("/")[0],
        dfs_storage_scheme=scheme,
    )


def folder(path, options):
    """A table's folder as Arrow's own file systems see it; Google's as deltalake's does, since Arrow's
    speaks another API than the one that the tests have."""
    if path.startswith("gs://"):
        return pyarrow.fs.PyFileSystem(deltalake.fs.DeltaStorageHandler(path, options))
    if path.startswith("az://"):
        return pyarrow.fs.SubTreeFileSystem(path.removeprefix("az://"), azure())
    if not path.startswith("s3://"):
        return pyarrow.fs.SubTreeFileSystem(path, pyarrow.fs.LocalFileSystem())
    scheme, address = os.environ["AWS_ENDPOINT_URL"].split("://")
    store = pyarrow.fs.S3FileSystem(
        access_key=os.environ["AWS_ACCESS_KEY_ID"],
        secret_key=os.environ["AWS_SECRET_ACCESS_KEY"],
        region=os.environ["AWS_REGION"],
        endpoint_override=address,
        scheme=scheme,
    )
    return pyarrow.fs.SubTreeFileSystem(path.removeprefix("s3://"), store)


def statistics(files):
    """The problems of the statistics in the log, file by file."""
    adds = {}
    log = files.get_file_info(pyarrow.fs.FileSelector("_delta_log"))
    for commit in sorted(entry.path for entry in log if entry.path.endswith(".json")):
        for line in files.open_input_stream(commit).read().decode().rstrip("\n").split("\n"):
            action = json.loads(line)
            if "add" in action:
                adds[action["add"]["path"]] = action["add"].get("stats")
            if "remove" in action:
                adds.pop(action["remove"]["path"], None)
    for file, text in adds.items():
        if not text:
            yield f"{file}: no statistics"
            continue
        told = json.loads(text, parse_float=decimal.Decimal, parse_int=decimal.Decimal)
        stored = files.open_input_file(urllib.parse.unquote(file))
        rows = pyarrow.parquet.ParquetFile(stored).read()
        if told["numRecords"] != rows.num_rows:
            yield f"{file}: numRecords {told['numRecords']}, {rows.num_rows} in the file"
        for field in rows.schema:
            yield from (
                f"{file}: {field.name}: {problem}"
                for problem in column_statistics(told, field, rows.column(field.name).to_pylist())
            )


def in_utc(value):
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def instant(text):
    return in_utc(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")))


def column_statistics(told, field, values):
    nulls = told.get("nullCount", {}).get(field.name)
    present = [value for value in values if value is not None]
    if nulls is not None and nulls != len(values) - len(present):
        yield f"nullCount {nulls}, {len(values) - len(present)} in the file"
    if not present:
        return
    low = told.get("minValues", {}).get(field.name)
    high = told.get("maxValues", {}).get(field.name)
    if low is None and high is None:
        return
    if kinds.is_decimal(field.type) or kinds.is_integer(field.type):
        if (low, high) != (min(present), max(present)):
            yield f"{low}..{high}, {min(present)}..{max(present)} in the file"
    elif kinds.is_date(field.type):
        if (low, high) != (min(present).isoformat(), max(present).isoformat()):
            yield f"{low}..{high}, {min(present)}..{max(present)} in the file"
    elif kinds.is_timestamp(field.type):
        # The protocol cuts bounds to milliseconds, and readers know it.
        least, greatest = in_utc(min(present)), in_utc(max(present))
        if instant(low) > least or instant(high) + datetime.timedelta(milliseconds=1) < greatest:
            yield f"{low}..{high} does not hold {min(present)}..{max(present)}"
    elif kinds.is_string(field.type):
        # Bounds in the order of code points; a low bound may be cut, a high one only upwards.
        if low is not None and low > min(present) or high is not None and high < max(present):
            yield f"{low!r}..{high!r} does not hold the file's texts"


def without_partitions(lake):
    """The columns that the source has; those that goe made are checked and dropped."""
    made = [name for name in lake.column_names if name.startswith("goe_part_month_")]
    for name in made:
        dates = lake.column(name.removeprefix("goe_part_month_")).to_pylist()
        months = [date and date.replace(day=1) for date in dates]
        if months != lake.column(name).to_pylist():
            sys.exit(f"{name} does not hold the months")
    return lake.drop_columns(made)


def main():
    path, system, address, name = sys.argv[1:]
    ours = ("AWS_", "AZURE_", "GOOGLE_")
    options = {name: value for name, value in os.environ.items() if name.startswith(ours)}
    table = deltalake.DeltaTable(path, storage_options=options)
    lake = without_partitions(table.to_pyarrow_table())
    reader = {"sqlite": sqlite_rows, "postgres": postgres_rows}[system]
    by_deltalake = multiset(rows_of(lake))
    source = multiset(reader(address, name, lake.schema))
    dataset = table.to_pyarrow_dataset()
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    by_duckdb = connection.from_arrow(dataset).arrow().read_all().select(lake.column_names)
    by_duckdb = multiset(rows_of(by_duckdb))
    problems = differences(source, by_deltalake, "source") + differences(by_deltalake, source, "lake")
    problems += differences(by_deltalake, by_duckdb, "deltalake")
    problems += differences(by_duckdb, by_deltalake, "duckdb")
    problems += list(statistics(folder(path, options)))
    if problems:
        print("\n".join(problems[:20]))
        sys.exit(1)
    print(f"{sum(source.values())} rows equal, {len(lake.schema)} columns, {len(dataset.files)} files")


main()
