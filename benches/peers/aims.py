"""What goe aims at, each computed from the run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from contenders import GOE, GOE_SQLITE
from results import Results

MEGABYTE = 1e6
SF1 = 1.0

Figure = Callable[[Results], float | None]


@dataclass(frozen=True)
class Aim:
    """Met if the figure is at most `bound`."""

    number: str
    text: str
    bound: float
    figure: Figure
    unit: str = ""

    def verdict(self, results: Results) -> tuple[str, str]:
        """The figure as text, and whether it is met."""
        value = self.figure(results)
        if value is None:
            return "-", "not measured"
        digits = 1 if self.unit else 3
        return f"{value:.{digits}f}{self.unit}", "met" if value <= self.bound else "**missed**"

    def bound_text(self) -> str:
        return f"<= {self.bound:.3g}{self.unit}"


def wall(name: str, other: str) -> Figure:
    return lambda results: results.ratio(name, other, "wall_seconds")


def cpu(name: str, other: str) -> Figure:
    return lambda results: results.ratio(name, other, "cpu_seconds")


def rss_megabytes(name: str) -> Figure:
    """Only at SF1: a smaller table needs less."""

    def figure(results: Results) -> float | None:
        peak = results.median(name, "peak_rss_bytes")
        return peak / MEGABYTE if peak is not None and results.scale == SF1 else None

    return figure


def output(name: str, other: str) -> Figure:
    def figure(results: Results) -> float | None:
        mine, theirs = results.output_bytes(name), results.output_bytes(other)
        return mine / theirs if mine and theirs else None

    return figure


def more(figure: Figure) -> Figure:
    """By how many percent a ratio is above one."""

    def percent(results: Results) -> float | None:
        value = figure(results)
        return None if value is None else 100 * (value - 1)

    return percent


def against(number: str, name: str, other: str, title: str, **bounds: float) -> list[Aim]:
    """Wall and CPU beside one peer."""
    kinds = {"wall": wall, "cpu": cpu}
    return [
        Aim(number, f"{kind} beside {title}", bound, kinds[kind](name, other))
        for kind, bound in bounds.items()
    ]


AIMS = [
    *against("G1", GOE, "connectorx-1", "connectorx", wall=0.5, cpu=0.4),
    *against("G1", GOE, "connectorx-2", "connectorx, 2 partitions", wall=0.5, cpu=0.4),
    *against("G1", GOE, "connectorx-4", "connectorx, 4 partitions", wall=0.5, cpu=0.4),
    *against("G2", GOE, "duckdb", "DuckDB postgres scanner", wall=1.0, cpu=0.85),
    *against("G3", GOE, "copy-1", "one raw COPY BINARY (90 % of its throughput)", wall=1 / 0.9),
    Aim("G4", "peak RSS at SF1", 200, rss_megabytes(GOE), " MB"),
    *against("G5", GOE, "rivet", "rivet", wall=0.35, cpu=0.25),
    *against("G5", GOE, "odbc2parquet", "odbc2parquet", cpu=0.2),
    *against("G5", GOE, "spark", "Spark JDBC", cpu=0.2),
    *against("G5", GOE, "sling", "Sling", wall=0.33),
    *against(
        "G7", GOE_SQLITE, "sqlite-duckdb", "DuckDB sqlite scanner, 2 workers", wall=0.55, cpu=0.8
    ),
    *against("G7", GOE_SQLITE, "sqlite-connectorx-1", "connectorx from SQLite", cpu=0.5),
    *against("G7", GOE_SQLITE, "sqlite-step", "the bare sqlite3_step loop", cpu=1.6),
    Aim("G7", "peak RSS from SQLite at SF1", 150, rss_megabytes(GOE_SQLITE), " MB"),
    Aim("G8", "wall of reading files back, over --verify count", 25, more(wall(GOE, "goe-count")), " %"),
    Aim("G10", "output beside DuckDB's, zstd level 1", 1.05, output(GOE, "duckdb")),
    *against("G11", "goe-filtered", "copy-filtered", "psql COPY with the same filter", wall=1.3),
]

NOT_MEASURED = """\
G4 at SF10 and G9 are measured by `--growth`. G6 needs a machine with cores to spare, G12 has no
measurement here. G8 is also about the CPU of checksums while reading, which every run takes: a
profile tells it."""
