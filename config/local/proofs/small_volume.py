"""A small volume of its own, in memory, that can be filled to its last byte and emptied again."""

import contextlib
import errno
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from config.local.places import hand_over

BLOCKS = (1 << 20, 4096)


class NoVolume(Exception):
    """This machine lets nobody mount one here; the text says why."""


@dataclass(frozen=True, slots=True)
class SmallVolume:
    folder: Path

    @property
    def ballast(self) -> Path:
        return self.folder / "ballast"

    def fill(self) -> None:
        """Take all that is free, to the last block."""
        with self.ballast.open("ab", buffering=0) as file:
            for size in BLOCKS:
                try:
                    while file.write(bytes(size)) == size:
                        pass
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise

    def empty(self) -> None:
        self.ballast.unlink(missing_ok=True)


@contextlib.contextmanager
def small_volume(folder: Path, *, megabytes: int) -> Iterator[SmallVolume]:
    """Mount it here and unmount it at the end. Raises NoVolume: mounting needs root and its capabilities."""
    folder.mkdir()
    try:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    except OSError as error:
        raise NoVolume(str(error)) from error
    if done.returncode != 0:
        raise NoVolume(done.stderr.strip())
    try:
        hand_over(folder)
        yield SmallVolume(folder)
    finally:
        subprocess.run(["umount", folder], capture_output=True, check=False)
