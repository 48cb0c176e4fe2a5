"""Runs one child process and tells what it cost."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

SAMPLE_SECONDS = 0.1
PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Usage:
    """What a process and its descendants used."""

    wall_seconds: float
    cpu_seconds: float
    peak_rss_bytes: int
    exit_code: int
    timed_out: bool


def run(
    command: list[str], folder: Path, environment: dict[str, str], log: Path, timeout_seconds: float
) -> Usage:
    """Runs `command` in `folder`; what it says goes into the file `log`.

    The process leads a session of its own, and what it leaves behind becomes ours, so that
    everything below it ends with it and is counted.
    """
    with log.open("wb") as said, adopting():
        begun = time.monotonic()
        child = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        watch = Watch(child.pid, begun + timeout_seconds)
        try:
            _, status, used = os.wait4(child.pid, 0)
            wall_seconds = time.monotonic() - begun
            child.returncode = os.waitstatus_to_exitcode(status)
        finally:
            watch.end()
            end_session(child.pid)
            left_seconds = end_orphans()
    return Usage(
        wall_seconds,
        used.ru_utime + used.ru_stime + left_seconds,
        max(exact_peak_bytes(used), watch.peak_bytes),
        child.returncode,
        watch.timed_out,
    )


@contextmanager
def adopting() -> Iterator[None]:
    """Makes this process the parent of descendants that lose theirs, such as Spark's JVM."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def end_orphans() -> float:
    """Ends what a child has left behind, and gives the CPU seconds that it used."""
    seconds = 0.0
    while orphans := children(os.getpid()):
        for orphan in orphans:
            os.kill(orphan, signal.SIGKILL)
            _, _, used = os.wait4(orphan, 0)
            seconds += used.ru_utime + used.ru_stime
    return seconds


def exact_peak_bytes(used: resource.struct_rusage) -> int:
    """The peak memory that the kernel tells of a child; 0 if it may be ours.

    A child begins with our memory, before it becomes its program, and the kernel counts that too.
    """
    ours = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used.ru_maxrss * 1024 if used.ru_maxrss > ours else 0


def end_session(leader: int) -> None:
    """Ends whatever is left of the session that `leader` led."""
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


class Watch:
    """Samples the memory of a tree of processes, and ends the tree at a deadline.

    A tree of several processes is the sum of their proportional set sizes; a single process tells
    its own peak.
    """

    def __init__(self, leader: int, deadline: float) -> None:
        self.peak_bytes = 0
        self.timed_out = False
        self._leader = leader
        self._deadline = deadline
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(SAMPLE_SECONDS):
            if time.monotonic() > self._deadline:
                self.timed_out = True
                end_session(self._leader)
                return
            self.peak_bytes = max(self.peak_bytes, tree_bytes(self._leader))


def descendants(process: int) -> Iterator[int]:
    """A process and everything below it that still lives."""
    yield process
    for child in children(process):
        yield from descendants(child)


def children(process: int) -> list[int]:
    """The living children of a process, whichever of its threads started them."""
    try:
        lists = [path.read_text() for path in Path(f"/proc/{process}/task").glob("*/children")]
    except OSError:
        return []
    return [int(child) for child in " ".join(lists).split()]


def tree_bytes(leader: int) -> int:
    """The memory of a process and everything below it, with shared pages counted once."""
    tree = list(descendants(leader))
    if len(tree) == 1:
        return told_bytes(leader, "status", "VmHWM:")
    return sum(told_bytes(process, "smaps_rollup", "Pss:") for process in tree)


def told_bytes(process: int, file: str, label: str) -> int:
    """A size that a file of /proc tells in kilobytes; 0 once the process has ended."""
    try:
        lines = Path(f"/proc/{process}/{file}").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(label)), 0)
