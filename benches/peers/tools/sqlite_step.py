"""The floor of SQLite where no C compiler or header is at hand: rows as Python makes them.

sqlite_step.py FILE
"""

import sqlite3
import sys
from collections import deque


def main(path: str) -> None:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    deque(connection.execute("SELECT * FROM lineitem"), maxlen=0)


if __name__ == "__main__":
    main(*sys.argv[1:])
