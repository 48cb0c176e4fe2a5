"""A Snowflake for the tests: fakesnow on a free loopback port, until its standard input closes.

Prints one line, the address for GOE_TEST_SNOWFLAKE:
http://127.0.0.1:PORT, user GOE, password goe-password, role LOADER, warehouse LOAD_WH.

fakesnow runs the SQL on DuckDB. What it does otherwise than the service, or not at all, is done
here, and nothing else is let through:

* Answers are rows of text (`rowset`), as the service sends them to a client that takes no Arrow:
  days for dates, seconds with a fraction for times, an offset behind instants (+1440 minutes),
  hexadecimal digits for bytes, 1 and 0 for booleans.
* NUMBER(38,0) keeps 38 digits, sums are exact, TIMESTAMP_NTZ(9) keeps nanoseconds. TIMESTAMP_TZ and TIME end at
  microseconds here, and the length of VARCHAR and BINARY is checked by COPY only.
* The types of columns, their comments and NOT NULL are kept as they were declared, and
  information_schema.columns is answered from there. CLUSTER BY, TRANSIENT and the retention time
  are taken and do nothing.
* COPY reads Parquet with the options that goe sends, all files or none, each column cast strictly.
  It wants USE_LOGICAL_TYPE = TRUE and BINARY_AS_TEXT = FALSE said.
* One explicit transaction at a time: who begins another waits, as he would for the lock of a row.
  One whose client has said nothing for two seconds while somebody waits is rolled back.
* Stages read file:// URLs, and those of S3, Azure and Google from the stores that GOE_TEST_S3,
  GOE_TEST_AZURE and GOE_TEST_GCS name, with nothing but the keys that the stage was given or those
  of its integration. S3_LAKE, AZURE_LAKE and GCS_LAKE are integrations of these stores, NO_RIGHTS is
  one whose keys open nothing.
* The role and the warehouse are checked, and the password, the OAuth token (goe-token; old-token
  has expired) or the key pair (ALTER USER … SET RSA_PUBLIC_KEY) of a login. For the tests there are
  the warehouse ASLEEP_WH, which can't resume, and the users KEYED, SHORT (each session ends after
  five statements), CUT (the connection is cut after a COMMIT is done), TORN (the same after a COPY)
  and FEWER (a COPY leaves one row out and reports so).

What it can't prove: that the service takes the same SQL and means the same; VARIANT's casts of what
Parquet holds; what an integration's rights are made of; how long anything takes; locks of more than
one row; results in several pieces.
"""

import base64
import datetime
import decimal
import gzip
import hashlib
import json
import math
import os
import re
import secrets
import socket
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import boto3
import botocore.exceptions
import duckdb
import fakesnow.transforms as transforms
import fakesnow.transforms.transforms as plain_transforms
import jwt
import pyarrow as pa
import snowflake.connector.errors
import uvicorn
from cryptography.hazmat.primitives import serialization
from fakesnow.converter import from_binding
from fakesnow.instance import FakeSnow
from sqlglot import exp
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

PASSWORD = "goe-password"
TOKEN = "goe-token"
OLD_TOKEN = "old-token"
USERS = {"GOE", "SHORT", "CUT", "TORN", "FEWER", "KEYED"}
ROLES = {None, "LOADER"}
WAREHOUSES = {"LOAD_WH"}


class Refused(Exception):
    """What the service would refuse, by its code."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code, self.message = code, message


# ---- what fakesnow does otherwise -----------------------------------------------------------


def whole_numbers(expression):
    """NUMBER(38,0) stays as wide as it is."""
    return expression


def exact_sums(expression):
    """SUM of a number is a number, not a double."""
    return expression


def timestamps(expression):
    if isinstance(expression, exp.DataType) and expression.this == exp.DataType.Type.TIMESTAMPNTZ:
        scale = expression.find(exp.DataTypeParam)
        fine = scale is not None and int(scale.name) > 6
        kind = exp.DataType.Type.TIMESTAMP_NS if fine else exp.DataType.Type.TIMESTAMP
        return exp.DataType(this=kind)
    return expression


for module in (transforms, plain_transforms):
    module.integer_precision = whole_numbers
    module.numeric_agg_implicit_cast = exact_sums
    module.timestamp_ntz = timestamps


def duck_type(declared):
    """The DuckDB type of a declared one, for the casts of COPY."""
    name, _, arguments = declared.partition("(")
    arguments = arguments.rstrip(")")
    fine = arguments.isdigit() and int(arguments) > 6
    kinds = {
        "NUMBER": f"DECIMAL({arguments})",
        "FLOAT": "DOUBLE",
        "VARCHAR": "VARCHAR",
        "BINARY": "BLOB",
        "BOOLEAN": "BOOLEAN",
        "DATE": "DATE",
        "TIME": "TIME",
        "TIMESTAMP_NTZ": "TIMESTAMP_NS" if fine else "TIMESTAMP",
        "TIMESTAMP_TZ": "TIMESTAMP WITH TIME ZONE",
        "VARIANT": "JSON",
    }
    if name not in kinds:
        raise Refused("002040", f"Unsupported data type '{declared}'")
    return kinds[name]


# ---- stages ---------------------------------------------------------------------------------


class S3:
    """The bucket of GOE_TEST_S3."""

    def __init__(self):
        self.address = urllib.parse.urlsplit(os.environ.get("GOE_TEST_S3", ""))

    def own_keys(self):
        return {"AWS_KEY_ID": self.address.username, "AWS_SECRET_KEY": self.address.password}

    def read(self, url, keys):
        client = boto3.client(
            "s3",
            endpoint_url=f"http://{self.address.hostname}:{self.address.port}",
            region_name="us-east-1",
            aws_access_key_id=keys["AWS_KEY_ID"],
            aws_secret_access_key=keys["AWS_SECRET_KEY"],
            aws_session_token=keys.get("AWS_TOKEN"),
        )
        place = urllib.parse.urlsplit(url)
        try:
            return client.get_object(Bucket=place.netloc, Key=place.path.lstrip("/"))["Body"].read()
        except botocore.exceptions.ClientError as error:
            return missing(error.response["ResponseMetadata"]["HTTPStatusCode"], url)


class Azure:
    """The container of GOE_TEST_AZURE."""

    def __init__(self):
        self.address = urllib.parse.urlsplit(os.environ.get("GOE_TEST_AZURE", ""))

    def own_keys(self):
        return {"AZURE_SAS_TOKEN": self.address.query}

    def read(self, url, keys):
        place = urllib.parse.urlsplit(url)
        account, _, domain = place.netloc.partition(".")
        if domain != "blob.core.windows.net":
            raise Refused("001003", f"syntax error: no storage account in '{url}'")
        host = f"{self.address.hostname}:{self.address.port}"
        path = urllib.parse.quote(f"/{account}{place.path}")
        token = keys["AZURE_SAS_TOKEN"].lstrip("?")
        try:
            return urllib.request.urlopen(f"http://{host}{path}?{token}").read()
        except urllib.error.HTTPError as error:
            return missing(error.code, url)


class Google:
    """The bucket of GOE_TEST_GCS, as the reader of its two accounts sees it."""

    def __init__(self):
        self.address = urllib.parse.urlsplit(os.environ.get("GOE_TEST_GCS", ""))

    def own_keys(self):
        return {"READER": dict(urllib.parse.parse_qsl(self.address.query)).get("reader")}

    def read(self, url, keys):
        with open(keys["READER"]) as file:
            account = json.load(file)
        now = int(time.time())
        claims = {"iss": account["client_email"], "sub": account["client_email"], "iat": now, "exp": now + 600}
        claims["scope"] = "https://www.googleapis.com/auth/cloud-platform"
        headers = {"kid": account["private_key_id"]}
        token = jwt.encode(claims, account["private_key"], "RS256", headers=headers)
        place = urllib.parse.urlsplit(url)
        path = urllib.parse.quote(f"/{place.netloc}{place.path}")
        request = urllib.request.Request(
            f"{self.address.scheme}://{self.address.netloc}{path}",
            headers={"Authorization": f"Bearer {token}"},
        )
        try:
            return urllib.request.urlopen(request).read()
        except urllib.error.HTTPError as error:
            return missing(error.code, url)


def missing(status, url):
    if status == 404:
        raise Refused("091016", f"Remote file '{url}' was not found.")
    raise Refused("091003", f"Failure using stage area. Cause: [Access Denied (Status Code: {status})]")


CLOUDS = {"s3": S3(), "azure": Azure(), "gcs": Google()}
INTEGRATIONS = {
    "S3_LAKE": ("s3", CLOUDS["s3"].own_keys()),
    "AZURE_LAKE": ("azure", CLOUDS["azure"].own_keys()),
    "GCS_LAKE": ("gcs", CLOUDS["gcs"].own_keys()),
    "NO_RIGHTS": ("s3", {"AWS_KEY_ID": "nobody", "AWS_SECRET_KEY": "guessed"}),
}
# What a stage may be given, and must be. Google's are read by integrations only.
CREDENTIALS = {
    "s3": ({"AWS_KEY_ID", "AWS_SECRET_KEY", "AWS_TOKEN"}, {"AWS_KEY_ID", "AWS_SECRET_KEY"}),
    "azure": ({"AZURE_SAS_TOKEN"}, {"AZURE_SAS_TOKEN"}),
}


class Stage:
    """A URL, and the keys that open it."""

    def __init__(self, found):
        self.url = literal(found["url"]).rstrip("/")
        scheme = self.url.split("://")[0]
        self.cloud, self.keys = CLOUDS.get(scheme), None
        if self.cloud is None and scheme != "file":
            raise Refused("001003", f"syntax error: the double has no stages at {scheme}://")
        if integration := found["integration"]:
            kind, self.keys = INTEGRATIONS.get(unquoted(integration), (None, None))
            if kind is None:
                raise Refused("002003", f"Integration '{integration}' does not exist or not authorized.")
            if kind != scheme:
                raise Refused("003167", f"Location '{self.url}' is not allowed by integration '{integration}'.")
        elif self.cloud:
            self.keys = {key: literal(value) for key, value in KEY_VALUE.findall(found["keys"] or "")}
            if scheme not in CREDENTIALS:
                raise Refused("001003", f"syntax error: a stage at {scheme}:// without a storage integration")
            known, wanted = CREDENTIALS[scheme]
            if not wanted <= self.keys.keys() <= known:
                raise Refused("001003", f"syntax error: unexpected credentials of a stage at {scheme}://")

    def file(self, name, folder):
        """A file of the stage, on this disk."""
        url = f"{self.url}/{name}"
        if self.cloud is None:
            path = url.removeprefix("file://")
            if not os.path.exists(path):
                raise Refused("091016", f"Remote file '{url}' was not found.")
            return path
        path = os.path.join(folder, secrets.token_hex(8))
        with open(path, "wb") as file:
            file.write(self.cloud.read(url, self.keys))
        return path


# ---- the forms of SQL that are known --------------------------------------------------------

NAME = r'"(?:[^"]|"")+"'
TEXT = r"'(?:[^'\\]|''|\\.)*'"
TABLE = rf"(?P<schema>{NAME})\.(?P<table>{NAME})"
KNOWN = [
    r"SELECT ",
    r"INSERT INTO ",
    rf"UPDATE {NAME}\.{NAME}\s+SET ",
    rf"DELETE FROM {NAME}\.{NAME}( WHERE |$)",
    r"BEGIN$|COMMIT$|ROLLBACK$",
    rf"CREATE SCHEMA IF NOT EXISTS {NAME}$",
    rf"DROP TABLE IF EXISTS {NAME}\.{NAME}$",
]
CREATE = re.compile(
    rf"CREATE (?:TABLE IF NOT EXISTS|OR REPLACE TRANSIENT TABLE) {TABLE}\s*\((?P<columns>.*?)\s*\)"
    rf"(?P<retention> DATA_RETENTION_TIME_IN_DAYS = 0)?(?P<cluster>\nCLUSTER BY \({NAME}(?:, {NAME})*\))?"
    rf"(?:\nCOMMENT = (?P<comment>{TEXT}))?$",
    re.S,
)
COLUMN = re.compile(
    rf"\s*(?P<name>{NAME}|[a-z_]+) (?P<type>[A-Z_]+(?:\([0-9, ]+\))?)(?P<null> NOT NULL)?"
    rf"(?: COMMENT (?P<comment>{TEXT}))?\s*(?:,|$)",
    re.S,
)
ALTER = re.compile(rf"ALTER TABLE {TABLE} ADD COLUMN IF NOT EXISTS (?P<column>.*)$", re.S)
COPY = re.compile(
    rf"COPY INTO {TABLE} \((?P<columns>.*?)\) FROM \(SELECT (?P<values>.*) FROM @(?P<stage>{NAME}(?:\.{NAME})+)\) "
    rf"FILES = \((?P<files>{TEXT}(?:, {TEXT})*)\) "
    r"FILE_FORMAT = \(TYPE = PARQUET USE_LOGICAL_TYPE = TRUE BINARY_AS_TEXT = FALSE\) "
    r"ON_ERROR = ABORT_STATEMENT PURGE = FALSE FORCE = TRUE$",
    re.S,
)
STAGE = re.compile(
    rf"CREATE (?P<temporary>OR REPLACE TEMPORARY )?STAGE (?P<stage>{NAME}\.{NAME}) URL = (?P<url>{TEXT})"
    rf"(?: STORAGE_INTEGRATION = (?P<integration>{NAME})"
    rf"| CREDENTIALS = \((?P<keys>[A-Z_]+ = {TEXT}(?: [A-Z_]+ = {TEXT})*)\))?$"
)
KEY_VALUE = re.compile(rf"([A-Z_]+) = ({TEXT})")
KEY = re.compile(rf"ALTER USER (?P<user>{NAME}) SET RSA_PUBLIC_KEY = (?P<key>{TEXT})$")
VALUE = re.compile(rf"\$1:(?P<field>{NAME})::(?P<type>[A-Z_]+(?:\([0-9, ]+\))?)(?:, |$)")
CATALOG = re.compile(
    rf"FROM information_schema\.columns\s+WHERE table_schema = (?P<schema>{TEXT}) AND table_name = (?P<table>{TEXT})"
)


def unquoted(name):
    return name[1:-1].replace('""', '"') if name.startswith('"') else name.upper()


def literal(text):
    return re.sub(r"\\(.)", r"\1", text[1:-1].replace("''", "'"), flags=re.S)


def columns_of(text):
    """Name, type, nullable and comment of each column, to the last character."""
    found, at = {}, 0
    while at < len(text):
        column = COLUMN.match(text, at)
        if not column:
            raise Refused("001003", f"syntax error: the double does not know {text[at:]!r}")
        duck_type(column["type"].replace(" ", ""))
        comment = column["comment"] and literal(column["comment"])
        found[unquoted(column["name"])] = (column["type"].replace(" ", ""), not column["null"], comment)
        at = column.end()
    return found


# ---- the database ---------------------------------------------------------------------------

fake = FakeSnow()
declared = {}
stages = {}
# The databases whose users CUT and TORN have had their cut.
once = set()
sessions = {}
keys = {}
working = threading.RLock()


class Transactions:
    """Who is in a transaction; the others wait."""

    def __init__(self):
        self.free = threading.Condition()
        self.owner = None

    def begin(self, session):
        deadline = time.monotonic() + 30
        with self.free:
            while self.owner not in (None, session):
                idle = time.monotonic() - self.owner.heard
                if idle > 2:
                    with working:
                        self.owner.roll_back()
                    self.owner = None
                elif time.monotonic() > deadline:
                    raise Refused("000625", "Statement has locked the table for too long")
                else:
                    self.free.wait(0.1)
            self.owner = session

    def end(self, session):
        with self.free:
            if self.owner is session:
                self.owner = None
                self.free.notify_all()


transactions = Transactions()


class Session:
    def __init__(self, user, database, warehouse):
        self.user, self.warehouse = user, warehouse
        self.connection = fake.connect(database)
        self.database = self.connection.database
        self.stages = {}
        self.statements = 0
        self.heard = time.monotonic()

    def roll_back(self):
        self.connection.cursor().execute("ROLLBACK")

    def execute(self, sql, bindings):
        """Column names and types, and rows, of one statement."""
        self.heard = time.monotonic()
        self.statements += 1
        if self.user == "SHORT" and self.statements > 5:
            raise Refused("390112", "Your session has expired. Please login again.")
        if self.warehouse == "ASLEEP_WH":
            raise Refused("090073", "Warehouse 'ASLEEP_WH' cannot be resumed because its quota is exceeded.")
        if self.warehouse not in WAREHOUSES and not sql.startswith("SELECT CURRENT_"):
            raise Refused("000606", "No active warehouse selected in the current session.")
        if sql == "BEGIN":
            transactions.begin(self)
        try:
            with working:
                return self.answer(sql, bindings)
        finally:
            self.heard = time.monotonic()
            if sql in ("COMMIT", "ROLLBACK"):
                transactions.end(self)

    def answer(self, sql, bindings):
        if sql.startswith("SELECT CURRENT_VERSION()"):
            row = ["double", self.user, "LOADER", self.warehouse, self.database]
            return pa.table({f"c{i}": pa.array([value], pa.string()) for i, value in enumerate(row)})
        if catalog := CATALOG.search(sql):
            return self.catalog(literal(catalog["schema"]), literal(catalog["table"]))
        if copy := COPY.match(sql):
            return self.copy(copy)
        if stage := STAGE.match(sql):
            kept = self.stages if stage["temporary"] else stages
            kept[f'{quoted(self.database)}.{stage["stage"]}'] = Stage(stage)
            return status("Stage area successfully created.")
        if key := KEY.match(sql):
            keys[unquoted(key["user"])] = base64.b64decode(literal(key["key"]))
            return status("Statement executed successfully.")
        if create := CREATE.match(sql):
            return self.create(sql, create)
        if alter := ALTER.match(sql):
            return self.alter(alter)
        if not any(re.match(form, sql) for form in KNOWN):
            raise Refused("001003", f"syntax error: the double does not know this statement: {sql[:200]}")
        return self.run(sql, bindings)

    def run(self, sql, bindings):
        cursor = self.connection.cursor()
        try:
            cursor.execute(sql, binding_params=bindings, server=True)
        except duckdb.TransactionException as error:
            raise Refused("000625", f"Statement is in conflict with another transaction: {error}") from None
        except duckdb.Error as error:
            raise Refused("100038", str(error).split("\n")[0]) from None
        return cursor._arrow_table

    def place(self, found):
        return (self.database, unquoted(found["schema"]), unquoted(found["table"]))

    def create(self, sql, found):
        columns, place = columns_of(found["columns"]), self.place(found)
        replaces = "OR REPLACE" in sql[:20]
        if place in declared and not replaces and self.exists(place):
            return status("already exists, statement succeeded.")
        names = ", ".join(quoted(name) + " " + kind + ("" if null else " NOT NULL") for name, (kind, null, _) in columns.items())
        start = "CREATE OR REPLACE TABLE" if replaces else "CREATE TABLE IF NOT EXISTS"
        answer = self.run(f"{start} {found['schema']}.{found['table']} ({names})", None)
        declared[place] = columns
        return answer

    def alter(self, found):
        place = self.place(found)
        for name, column in columns_of(found["column"]).items():
            if name not in declared[place]:
                self.run(f"ALTER TABLE {found['schema']}.{found['table']} ADD COLUMN {quoted(name)} {column[0]}", None)
                declared[place][name] = column
        return status("Statement executed successfully.")

    def exists(self, place):
        question = (
            "SELECT 1 FROM duckdb_tables() WHERE database_name = ? AND schema_name = ? AND table_name = ?"
        )
        return self.connection._duck_conn.execute(question, place).fetchone() is not None

    def catalog(self, schema, table):
        place = (self.database, schema, table)
        rows = []
        columns = declared.get(place, {}) if self.exists(place) else {}
        for name, (kind, null, comment) in columns.items():
            base, _, arguments = kind.partition("(")
            numbers = [number for number in arguments.rstrip(")").split(",") if number]
            number, text, data, moment = [None, None], None, None, None
            if base == "NUMBER":
                number = numbers
            elif base == "VARCHAR":
                base, text = "TEXT", (numbers or ["16777216"])[0]
            elif base == "BINARY":
                data = (numbers or ["8388608"])[0]
            elif base.startswith("TIME"):
                moment = (numbers or ["9"])[0]
            rows.append([name, base, *number, text, data, moment, "YES" if null else "NO", None, comment])
        return texts(rows, 10)

    def copy(self, found):
        place = self.place(found)
        if not self.exists(place):
            raise Refused("002003", f"Table '{place[1]}.{place[2]}' does not exist or not authorized.")
        stage = found["stage"]
        if len(re.findall(NAME, stage)) == 2:
            stage = f"{quoted(self.database)}.{stage}"
        stage = self.stages.get(stage) or stages.get(stage)
        if stage is None:
            raise Refused("002003", f"Stage '{found['stage']}' does not exist or not authorized.")
        values, at = [], 0
        while at < len(found["values"]):
            value = VALUE.match(found["values"], at)
            if not value:
                raise Refused("001003", f"syntax error: the double does not know {found['values'][at:]!r}")
            values.append((unquoted(value["field"]), value["type"]))
            at = value.end()
        names = [literal(file) for file in re.findall(TEXT, found["files"])]
        with tempfile.TemporaryDirectory() as folder:
            files = [stage.file(name, folder) for name in names]
            rows = self.copy_files(place, found["columns"], values, files)
        told = [[os.path.basename(name), "LOADED", str(count), str(count)] for name, count in zip(names, rows)]
        return texts(told, 4)

    def copy_files(self, place, columns, values, files):
        """The rows of each file; all of them come, or none."""
        target = ".".join(quoted(part) for part in place)
        database = self.connection._duck_conn
        database.execute("BEGIN")
        try:
            rows = [self.copy_file(database, target, columns, values, file) for file in files]
            if self.user == "FEWER":
                database.execute(f"DELETE FROM {target} WHERE rowid = (SELECT max(rowid) FROM {target})")
                rows[-1] -= 1
            database.execute("COMMIT")
        except duckdb.Error as error:
            database.execute("ROLLBACK")
            raise Refused("100038", str(error).split("\n")[0]) from None
        except Refused:
            database.execute("ROLLBACK")
            raise
        return rows

    def copy_file(self, database, target, columns, values, file):
        name = file.replace("'", "''")
        for field, kind in values:
            length = re.fullmatch(r"(VARCHAR|BINARY)\((\d+)\)", kind)
            if length:
                measure = "length" if length[1] == "VARCHAR" else "octet_length"
                question = f"SELECT max({measure}({quoted(field)})) FROM read_parquet('{name}')"
                longest = database.execute(question).fetchone()[0]
                if longest is not None and longest > int(length[2]):
                    raise Refused("100078", f"String of {longest} is too long and would be truncated")
        casts = ", ".join(f"CAST({quoted(field)} AS {duck_type(kind)})" for field, kind in values)
        sql = f"INSERT INTO {target} ({columns}) SELECT {casts} FROM read_parquet('{name}')"
        return database.execute(sql).fetchone()[0]


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def texts(rows, width):
    columns = {f"c{i}": pa.array([row[i] for row in rows], pa.string()) for i in range(width)}
    return pa.table(columns)


def status(text):
    return texts([[text]], 1)


# ---- the wire -------------------------------------------------------------------------------

EPOCH = datetime.date(1970, 1, 1)


def seconds(ticks, per_second):
    """Ticks as seconds with nine digits."""
    sign = "-" if ticks < 0 else ""
    whole, rest = divmod(abs(ticks), per_second)
    return f"{sign}{whole}.{rest * (1_000_000_000 // per_second):09d}"


def double(value):
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return repr(value)


def cells(column):
    """The type of a column as the service names it, and its values as text."""
    kind, scale = column.type, None
    units = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
    if pa.types.is_boolean(kind):
        name, text = "boolean", lambda value: "1" if value else "0"
    elif pa.types.is_integer(kind):
        name, scale, text = "fixed", 0, str
    elif pa.types.is_decimal(kind):
        name, scale, text = "fixed", kind.scale, lambda value: format(decimal.Decimal(value), "f")
    elif pa.types.is_floating(kind):
        name, text = "real", double
    elif pa.types.is_date(kind):
        column = column.cast(pa.date32()).cast(pa.int32())
        name, text = "date", str
    elif pa.types.is_time(kind):
        column = column.cast(pa.int64())
        name, scale, text = "time", 9, lambda value: seconds(value, units[kind.unit])
    elif pa.types.is_timestamp(kind):
        column = column.cast(pa.int64())
        name, scale = "timestamp_tz" if kind.tz else "timestamp_ntz", 9
        offset = " 1440" if kind.tz else ""
        text = lambda value: seconds(value, units[kind.unit]) + offset
    elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        name, text = "binary", lambda value: value.hex().upper()
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind):
        name, text = "text", str
    else:
        raise Refused("001003", f"the double knows no wire form of {kind}")
    return name, scale, [None if value is None else text(value) for value in column.to_pylist()]


def answered(table):
    table = table.combine_chunks() if table is not None else status("Statement executed successfully.")
    rowtype, columns = [], []
    for name, column in zip(table.schema.names, table.columns):
        kind, scale, values = cells(column)
        precision = 38 if kind == "fixed" else None
        rowtype.append(
            {"name": name, "type": kind, "nullable": True, "scale": scale, "precision": precision, "length": None}
        )
        columns.append(values)
    return {
        "rowtype": rowtype,
        "rowset": [list(row) for row in zip(*columns)],
        "total": table.num_rows,
        "returned": table.num_rows,
        "queryId": secrets.token_hex(16),
        "queryResultFormat": "json",
        "parameters": [{"name": "TIMEZONE", "value": "UTC"}],
    }


async def body_of(request):
    body = await request.body()
    if request.headers.get("Content-Encoding") == "gzip":
        body = gzip.decompress(body)
    return json.loads(body)


def refused(code, message, data=None):
    return JSONResponse({"data": data, "code": code, "message": message, "success": False, "headers": None})


def is_known(user, data):
    """Whether a login proves who it is, in one of the three ways."""
    way = data.get("AUTHENTICATOR", "").upper()
    if way == "OAUTH":
        return data.get("TOKEN") == TOKEN
    if way != "SNOWFLAKE_JWT":
        return data.get("PASSWORD") == PASSWORD
    if user not in keys:
        return False
    print_of_key = base64.b64encode(hashlib.sha256(keys[user]).digest()).decode()
    try:
        key = serialization.load_der_public_key(keys[user])
        claims = jwt.decode(data["TOKEN"], key, algorithms=["RS256"])
    except jwt.InvalidTokenError:
        return False
    name = f"{data['ACCOUNT_NAME'].upper()}.{user}"
    return claims["sub"] == name and claims["iss"] == f"{name}.SHA256:{print_of_key}"


async def login(request):
    data, asked = (await body_of(request))["data"], request.query_params
    user = data["LOGIN_NAME"].upper()
    if user not in USERS or not is_known(user, data):
        if data.get("AUTHENTICATOR", "").upper() == "SNOWFLAKE_JWT":
            return refused("390144", "JWT token is invalid.")
        if data.get("TOKEN") == OLD_TOKEN:
            return refused("390318", "OAuth access token expired.")
        return refused("390100", "Incorrect username or password was specified.")
    role = asked.get("roleName")
    if (role and role.upper()) not in ROLES:
        return refused("390189", f"Role '{role}' specified in the connect string does not exist or not authorized.")
    parameters = data.get("SESSION_PARAMETERS") or {}
    if parameters.get("TIMEZONE") != "UTC" or not parameters.get("QUERY_TAG"):
        return refused("390000", "The double wants TIMEZONE = UTC and a QUERY_TAG")
    token = secrets.token_urlsafe(24)
    with working:
        sessions[token] = Session(user, asked["databaseName"], (asked.get("warehouse") or "").upper() or None)
    return JSONResponse({"data": {"token": token, "parameters": []}, "code": None, "message": None, "success": True})


async def query(request):
    body = await body_of(request)
    token = re.search(r'Token="(.*)"', request.headers.get("Authorization", ""))
    session = token and sessions.get(token[1])
    if not session:
        return refused("390104", "User must login again to access the service.")
    bindings = body.get("bindings")
    if bindings:
        bindings = tuple(from_binding(bindings[str(place)]) for place in range(1, len(bindings) + 1))
    sql = body["sqlText"]
    try:
        table = await run_in_threadpool(session.execute, sql, bindings or None)
        data = answered(table)
    except Refused as error:
        print(f"{error.code} {error.message}\n  {sql}", file=sys.stderr, flush=True)
        return refused(error.code, error.message, {"queryId": secrets.token_hex(16)})
    except snowflake.connector.errors.Error as error:
        print(f"{error.errno} {error.msg}\n  {sql}", file=sys.stderr, flush=True)
        return refused(f"{error.errno:06d}", error.msg, {"queryId": secrets.token_hex(16)})
    cut = {"CUT": "COMMIT", "TORN": "COPY INTO "}.get(session.user)
    if cut and sql.startswith(cut) and session.database not in once:
        once.add(session.database)
        return Response(status_code=200, headers={"content-length": "100000"}, content=b"")
    return JSONResponse({"data": data, "code": None, "message": None, "success": True})


async def ignored(request):
    return JSONResponse({"data": None, "code": None, "message": None, "success": True})


def main():
    routes = [
        Route("/session/v1/login-request", login, methods=["POST"]),
        Route("/queries/v1/query-request", query, methods=["POST"]),
        Route("/queries/v1/abort-request", ignored, methods=["POST"]),
        Route("/session", ignored, methods=["POST"]),
    ]
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    configuration = uvicorn.Config(Starlette(routes=routes), log_level="error", lifespan="off")
    server = uvicorn.Server(configuration)
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    server.run(sockets=[listener])


main()
