"""Measures goe beside its peers: the same table, the same machine, interleaved rounds."""

from __future__ import annotations

import argparse
import datetime
import fcntl
import json
import os
import platform
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from urllib.parse import urlsplit

import growth
import process
from contenders import CONTENDERS, Contender, Place, environment
from failure import Failure
from picture import svg
from proof import Source, prove
from report import markdown
from results import Results, Row, Run
from server import Server, open_server
from tables import database, fill_postgres, fill_sqlite

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TIMEOUT_SECONDS_AT_SF1 = 900
TELLING = re.compile(r"(error|exception|warning): ", re.IGNORECASE)

EXAMPLE = """\
example:
  benches/peers/run --quick --goe target/release/goe --only goe,duckdb,copy-1

Data and environments stay in the work folder for later runs. Results go to benches/peers/results,
those of --only to the work folder."""


# ---- what is asked --------------------------------------------------------------------------


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="benches/peers/run",
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--quick", action="store_true", help="scale 0.1 and 3 rounds: minutes, not an hour")
    add("--scale", type=float, metavar="F", help="TPC-H scale factor (default 1; 6 million rows)")
    add("--rounds", type=int, metavar="N", help="how often each contender runs (default 5)")
    add("--goe", type=Path, metavar="PATH", help="measure this binary; built if none is given")
    add(
        "--profile",
        choices=["fast", "release"],
        default="fast",
        help="what is built (default fast)",
    )
    add(
        "--all",
        action="store_true",
        help="also Spark, Sling and odbc2parquet, which take long to set up",
    )
    add(
        "--only", type=names, metavar="NAME,...", help="these contenders; patterns with * are taken"
    )
    add(
        "--work",
        type=Path,
        metavar="DIR",
        default=ROOT / "target/peers",
        help="default target/peers",
    )
    add("--postgres", metavar="URL", help="this database instead of a cluster of our own")
    add(
        "--growth",
        action="store_true",
        help="goe alone: scales up to --scale, workers, memory, columns, widths, many tables, start",
    )
    arguments = parser.parse_args()
    arguments.work = arguments.work.resolve()
    arguments.scale = arguments.scale or (0.1 if arguments.quick else 1.0)
    arguments.rounds = arguments.rounds or (3 if arguments.quick else 5)
    if arguments.scale <= 0 or arguments.rounds < 1:
        parser.error("--scale and --rounds are above zero")
    if arguments.growth and arguments.postgres:
        parser.error("--growth makes databases, and needs a cluster of our own")
    return arguments


def names(text: str) -> list[str]:
    """The patterns of --only, each of which must name someone."""
    patterns = text.split(",")
    for pattern in patterns:
        if not any(fnmatch(contender.name, pattern) for contender in CONTENDERS):
            known = ", ".join(contender.name for contender in CONTENDERS)
            raise argparse.ArgumentTypeError(f"no contender is called {pattern}; there are {known}")
    return patterns


def chosen(arguments: argparse.Namespace) -> list[Contender]:
    if arguments.only:
        return [
            each for each in CONTENDERS if any(fnmatch(each.name, name) for name in arguments.only)
        ]
    return [each for each in CONTENDERS if arguments.all or not each.only_with_all]


# ---- where it runs --------------------------------------------------------------------------


@contextmanager
def locked(work: Path) -> Iterator[None]:
    """Holds the work folder: two measurements at once would measure each other."""
    work.mkdir(parents=True, exist_ok=True)
    with (work / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failure(f"Another measurement uses {work}.") from None
        yield


def goe_binary(arguments: argparse.Namespace) -> Path:
    """The binary that is measured, built unless it was named."""
    if arguments.goe:
        if not os.access(arguments.goe, os.X_OK):
            raise Failure(f"--goe {arguments.goe} is no program.")
        return Path(arguments.goe).resolve()
    command = ["cargo", "build", "--locked", "--profile", arguments.profile, "--bin", "goe"]
    if subprocess.run(command, cwd=ROOT).returncode != 0:
        raise Failure("goe did not build.")
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return target / str(arguments.profile) / "goe"


def describe_goe(arguments: argparse.Namespace, goe: Path) -> str:
    version = subprocess.run(
        [goe, "--version"], capture_output=True, text=True, check=True
    ).stdout.strip()
    return version + (
        ", a binary given by --goe" if arguments.goe else f", profile {arguments.profile}"
    )


def describe_machine(server: Server, name: str) -> dict[str, object]:
    model = [
        line
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "processor": model[0].partition(":")[2].strip() if model else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gigabytes": round(memory / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "postgres": "PostgreSQL " + server.ask(name, "SHOW server_version"),
        "sqlite": sqlite3.sqlite_version,
    }


# ---- the rounds -----------------------------------------------------------------------------


class Measurement:
    """Runs contenders in one place and collects what they cost."""

    def __init__(self, server: Server, source: Source, place: Place, results: Results) -> None:
        self.server = server
        self.source = source
        self.place = place
        self.results = results
        self.environment = environment(place.output.parent)

    def rounds(self, contenders: list[Contender]) -> None:
        """Each contender once a round; the order turns, so that none always follows the same."""
        self.results.rows = [Row(each.name, each.title, each.source) for each in contenders]
        rows = {row.name: row for row in self.results.rows}
        for number in range(self.results.rounds):
            turn = number * len(contenders) // self.results.rounds
            for contender in contenders[turn:] + contenders[:turn]:
                if rows[contender.name].failure is None:
                    self.once(contender, rows[contender.name], number)

    def once(self, contender: Contender, row: Row, number: int) -> None:
        """One run. A peer that fails is noted and left out; goe's output is proved at first."""
        self.clear()
        try:
            run = self.cost(contender, number)
            if contender.writes and not row.output:
                row.output = self.inspect(contender)
            if contender.is_goe and number == 0:
                prove(contender, self.place, self.source)
        except (Misfortune, OSError) as error:
            row.failure = str(error)
            say(f"{contender.name:22} failed: {error}")
            return
        self.results.runs.append(run)
        say(
            f"{contender.name:22} round {number + 1}: {run.wall_seconds:7.2f} s,"
            f" CPU {run.cpu_seconds:7.2f} s, {run.peak_rss_bytes / 1e6:6.0f} MB,"
            f" load {run.load_average:.1f}"
        )

    def cost(self, contender: Contender, number: int) -> Run:
        folder, log = self.place.output.parent, self.place.work / "logs" / f"{contender.name}.log"
        log.parent.mkdir(exist_ok=True)
        command = contender.command(self.place)
        load = os.getloadavg()[0]
        before = self.server.cpu_seconds()
        timeout_seconds = TIMEOUT_SECONDS_AT_SF1 * max(1.0, self.results.scale)
        used = process.run(command, folder, self.environment, log, timeout_seconds)
        after = self.server.cpu_seconds()
        if used.timed_out:
            raise Misfortune(f"it ran longer than {timeout_seconds:.0f} s")
        if used.exit_code != 0:
            raise Misfortune(self.reason(log, used.exit_code))
        servers = None
        if contender.source == "postgres" and before is not None and after is not None:
            servers = after - before
        return Run(
            contender.name,
            number,
            used.wall_seconds,
            used.cpu_seconds,
            servers,
            used.peak_rss_bytes,
            load,
        )

    def inspect(self, contender: Contender) -> dict[str, object]:
        """What a contender wrote; a peer that lost rows has failed, and for goe that ends all."""
        command = self.place.python("inspect_output.py", str(self.place.output))
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise Misfortune(
                f"its output can't be read: {(done.stderr.strip() or '-').splitlines()[-1]}"
            )
        found: dict[str, object] = json.loads(done.stdout)
        rows = self.source.rows(contender, self.place)
        if found["rows"] != rows:
            ending = Failure if contender.is_goe else Misfortune
            raise ending(f"{contender.name} wrote {found['rows']} of {rows} rows")
        return found

    def reason(self, log: Path, code: int) -> str:
        """The line of a log that says why, without the password or paths of this machine."""
        lines = [
            line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()
        ]
        telling = [line for line in lines if TELLING.search(line)] or lines[-1:]
        said = telling[0] if telling else "it said nothing"
        if secret := urlsplit(self.place.url).password:
            said = said.replace(secret, "***")
        return f"exit code {code}: {said.replace(str(self.place.work), 'WORK')[:200]}"

    def clear(self) -> None:
        """An empty output folder, and nothing left to write back from the run before."""
        shutil.rmtree(self.place.output.parent, ignore_errors=True)
        self.place.output.mkdir(parents=True)
        os.sync()


class Misfortune(Exception):
    """Why one contender has no figures; the others go on."""


# ---- the whole ------------------------------------------------------------------------------


def say(words: str) -> None:
    print(words, flush=True)


def compare(arguments: argparse.Namespace, server: Server, goe: Path) -> None:
    """Makes the tables, runs the rounds and writes the results."""
    work, name = arguments.work, database(arguments.scale)
    tool, sqlite = work / "python/bin/tpchgen-cli", work / f"{name}.sqlite"
    say(f"lineitem at scale {arguments.scale:g}")
    fill_postgres(server, tool, arguments.scale)
    fill_sqlite(sqlite, tool, arguments.scale)
    place = Place(server.url(name), sqlite, work / "run/output", goe, server.psql, work)
    today = datetime.date.today().isoformat()
    results = Results(
        today,
        arguments.scale,
        arguments.rounds,
        describe_goe(arguments, goe),
        describe_machine(server, name),
    )
    Measurement(server, Source(server, name), place, results).rounds(chosen(arguments))
    if not results.runs:
        raise Failure("Nothing could be measured.")
    write(results, work / "results" if arguments.only else HERE / "results")


def write(results: Results, folder: Path) -> None:
    """Writes a measurement under its day and scale; a partial one does not replace a whole one."""
    stem = f"{results.date}-sf{results.scale:g}"
    folder.mkdir(exist_ok=True)
    (folder / f"{stem}.json").write_text(json.dumps(results.as_json(), indent=1) + "\n")
    (folder / f"{stem}.svg").write_text(svg(results))
    (folder / f"{stem}.md").write_text(markdown(results, f"{stem}.svg"))
    say(markdown(results, f"{stem}.svg"))
    say(f"Written to {folder}/{stem}.md, .json and .svg.")


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    arguments = read_arguments()
    try:
        with locked(arguments.work):
            goe = goe_binary(arguments)
            server = open_server(arguments.postgres, arguments.work / "postgres")
            try:
                if arguments.growth:
                    described = describe_goe(arguments, goe)
                    growth.measure(
                        server, goe, described, arguments.work, arguments.scale, HERE / "results"
                    )
                else:
                    compare(arguments, server, goe)
            finally:
                server.stop()
    except Failure as failure:
        sys.exit(f"error: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
