"""Spark's JDBC source, one partition, into a folder of Parquet.

spark_jdbc.py DRIVER_JAR JDBC_URL USER PASSWORD OUTPUT
"""

import sys

from pyspark.sql import SparkSession

FETCH_ROWS = 10_000


def main(jar: str, url: str, user: str, password: str, output: str) -> None:
    session = (
        SparkSession.builder.master("local[*]")
        .config("spark.jars", jar)
        .config("spark.ui.enabled", "false")
        .config("spark.sql.parquet.compression.codec", "zstd")
        .getOrCreate()
    )
    options = {
        "driver": "org.postgresql.Driver",
        "user": user,
        "password": password,
        "fetchsize": str(FETCH_ROWS),
    }
    rows = session.read.jdbc(url, "public.lineitem", properties=options)
    rows.write.mode("overwrite").parquet(output)
    session.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
