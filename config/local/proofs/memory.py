"""How much memory a process of ours takes with all its children, and whether it takes ever more."""

import contextlib
import statistics
from collections.abc import Sequence
from pathlib import Path


def memory_mb(group: int) -> float:
    """Megabytes of a process group: each page by its share, as Linux counts it (Pss)."""
    return sum(_pss_kb(folder) for folder in Path("/proc").glob("[0-9]*") if _group(folder) == group) / 1024


def growth(samples: Sequence[float]) -> tuple[float, float]:
    """The median of the second fifth, when all is loaded that is used, and of the last fifth."""
    fifth = max(1, len(samples) // 5)
    return statistics.median(samples[fifth : 2 * fifth] or samples), statistics.median(samples[-fifth:])


def _group(folder: Path) -> int:
    with contextlib.suppress(OSError):
        return int((folder / "stat").read_text().rsplit(")", 1)[1].split()[2])  # state, parent, group
    return 0


def _pss_kb(folder: Path) -> int:
    with contextlib.suppress(OSError):
        for line in (folder / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0
