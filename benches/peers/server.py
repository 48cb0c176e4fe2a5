"""The PostgreSQL server that is measured: a cluster of our own, or one that a URL names."""

from __future__ import annotations

import os
import pwd
import random
import secrets
import shutil
import socket
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from failure import Failure
from process import children

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PORT_ATTEMPTS = 8
USER = "goe"


def program_folder() -> Path:
    """Where PostgreSQL's programs are: PATH first, else the newest that is installed."""
    if found := shutil.which("pg_ctl"):
        return Path(found).resolve().parent
    installed = Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")
    newest = max(installed, key=lambda path: int(path.parts[-3]), default=None)
    if newest is None:
        raise Failure(
            "No PostgreSQL server is installed (pg_ctl); install it, or give --postgres URL."
        )
    return newest.parent


class Server:
    """A running server, asked through `psql`."""

    ours = False

    def __init__(self, url: str, psql: str) -> None:
        self.base_url = url
        self.psql = psql

    def url(self, database: str) -> str:
        """The URL of a database of this server; a server that is not ours has only one."""
        del database
        return self.base_url

    def ask(self, database: str, sql: str) -> str:
        """What `psql` prints for `sql`, unaligned and without headings."""
        command = [self.psql, "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", self.url(database), "-c", sql]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode != 0:
            raise Failure(f"PostgreSQL refused {sql.split(maxsplit=1)[0]}: {done.stderr.strip()}")
        return done.stdout.strip()

    def create_database(self, database: str) -> None:
        """Makes a database if it is not there; one that a URL names is."""

    def cpu_seconds(self) -> float | None:
        """CPU time that the server has used since its start; unknown for one that is not ours."""
        return None

    def stop(self) -> None:
        """Stops the server if it is ours."""


class Cluster(Server):
    """A cluster of our own in `folder`, on loopback, with the settings that `initdb` gives."""

    ours = True

    def __init__(self, folder: Path) -> None:
        self.programs = program_folder()
        self.folder = folder
        self.data = folder / "data"
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        self._start()
        self.process, port = self._process_and_port()
        password = (folder / "password").read_text().strip()
        super().__init__(
            f"postgresql://{USER}:{password}@127.0.0.1:{port}", str(self.programs / "psql")
        )

    def url(self, database: str) -> str:
        return f"{self.base_url}/{database}"

    def create_database(self, database: str) -> None:
        if not self.ask("postgres", f"SELECT 1 FROM pg_database WHERE datname = '{database}'"):
            self.ask("postgres", f'CREATE DATABASE "{database}"')

    def cpu_seconds(self) -> float:
        """CPU time of the postmaster, its children, and those that have ended."""
        own = cpu_ticks(self.process, with_ended_children=True)
        living = sum(cpu_ticks(child) for child in children(self.process))
        return (own + living) / TICKS_PER_SECOND

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self.data), "-m", "fast", "-w", "stop")

    def _initialise(self) -> None:
        """Makes the data folder, which belongs to a user that PostgreSQL agrees to run as."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        password = self.folder / "password"
        password.touch(mode=0o600)
        password.write_text(secrets.token_hex(16) + "\n")
        if os.geteuid() == 0:
            for path in (self.folder, password):
                shutil.chown(path, user=server_user())
        options = ["-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8"]
        self._must("initdb", "-D", str(self.data), "-U", USER, f"--pwfile={password}", *options)

    def _start(self) -> None:
        """Starts the server on a free loopback port; one that an interrupted run left is taken."""
        if self._run("pg_ctl", "-D", str(self.data), "status").returncode == 0:
            return
        for _ in range(PORT_ATTEMPTS):
            settings = (
                f"-p {free_port()} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''"
            )
            options = ["-l", str(self.folder / "log"), "-o", settings, "-w"]
            if self._run("pg_ctl", "-D", str(self.data), *options, "start").returncode == 0:
                return
        raise Failure(f"PostgreSQL did not start; its log is {self.folder / 'log'}.")

    def _process_and_port(self) -> tuple[int, int]:
        lines = (self.data / "postmaster.pid").read_text().splitlines()
        return int(lines[0]), int(lines[3])

    def _must(self, program: str, *arguments: str) -> None:
        done = self._run(program, *arguments)
        if done.returncode != 0:
            raise Failure(f"{program} failed: {done.stderr.strip()}")

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs one of the server's programs, as another user if we are root.

        What they say goes to a file: the server inherits it, and a pipe would never end.
        """
        as_user = ["runuser", "-u", server_user(), "--"] if os.geteuid() == 0 else []
        command = [*as_user, str(self.programs / program), *arguments]
        errors = self.folder.with_suffix(".errors")
        with errors.open("w") as said:
            done = subprocess.run(
                command, cwd="/", stdin=subprocess.DEVNULL, stdout=said, stderr=said
            )
        return subprocess.CompletedProcess(command, done.returncode, "", errors.read_text())


def server_user() -> str:
    """PostgreSQL refuses to run as root."""
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        return "nobody"


def free_port() -> int:
    """A loopback port on which nothing listens."""
    while True:
        port = random.randrange(20_000, 60_000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port


def cpu_ticks(process: int, *, with_ended_children: bool = False) -> int:
    """User and system time of a process in clock ticks; 0 once it is gone."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return 0
    # The fields after the name in brackets; utime, stime, cutime and cstime are numbers 14 to 17.
    fields = stat.rpartition(")")[2].split()
    return sum(map(int, fields[11 : 15 if with_ended_children else 13]))


def open_server(url: str | None, folder: Path) -> Server:
    """The server that `url` names, else our own cluster in `folder`."""
    if url is None:
        return Cluster(folder)
    if urlsplit(url).scheme not in ("postgres", "postgresql") or not urlsplit(url).path.strip("/"):
        raise Failure(
            "--postgres needs a URL with a database: postgres://user:password@host:port/database"
        )
    psql = shutil.which("psql") or str(program_folder() / "psql")
    return Server(url, psql)
