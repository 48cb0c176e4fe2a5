"""What was measured, and the medians and ratios of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Run:
    """One run of one contender."""

    contender: str
    round: int
    wall_seconds: float
    cpu_seconds: float
    server_cpu_seconds: float | None
    peak_rss_bytes: int
    load_average: float


@dataclass
class Row:
    """What is known of a contender besides its runs; `failure` says why there are none."""

    name: str
    title: str
    source: str
    output: dict[str, Any] = field(default_factory=dict)
    failure: str | None = None


@dataclass
class Results:
    """A whole measurement, as it is written to JSON."""

    date: str
    scale: float
    rounds: int
    goe: str
    machine: dict[str, Any]
    rows: list[Row] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)

    def of(self, name: str) -> list[Run]:
        """The runs of a contender, in the order of rounds; none if it failed."""
        if any(row.name == name and row.failure for row in self.rows):
            return []
        return [run for run in self.runs if run.contender == name]

    def median(self, name: str, measure: str) -> float | None:
        values = [getattr(run, measure) for run in self.of(name)]
        return median(values) if values and None not in values else None

    def ratio(self, name: str, other: str, measure: str) -> float | None:
        """The median over rounds of how many times `other` one contender used.

        Both runs of a pair are of the same round, so that a machine whose speed drifts counts
        against both.
        """
        others = {run.round: getattr(run, measure) for run in self.of(other)}
        pairs = [(getattr(run, measure), others.get(run.round)) for run in self.of(name)]
        values = [mine / theirs for mine, theirs in pairs if mine is not None and theirs]
        return median(values) if values else None

    def cpu_beside_server(self, name: str) -> float | None:
        """The client's CPU by the server's of the same run."""
        pairs = [(run.cpu_seconds, run.server_cpu_seconds) for run in self.of(name)]
        values = [mine / servers for mine, servers in pairs if servers]
        return median(values) if values else None

    def output_bytes(self, name: str) -> int | None:
        return next((row.output.get("bytes") for row in self.rows if row.name == name), None)

    def loads(self) -> list[float]:
        return [run.load_average for run in self.runs]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
