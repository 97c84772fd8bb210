"""How far a row of seeds was played without a gap, and what was found: kept as it grows, and carried on by a later run."""

import re
from dataclasses import dataclass, field

from config.local.proofs.figures import FIGURES, keep, where

NAME = "simulate"
_EARLIER = re.compile(r"seeds (\d+)-(\d+): (\d+) histories, (\d+) violations \(.+\)")
_BROKEN = "violation at seed "


@dataclass(slots=True)
class Tally:
    """What the seeds from `first` to `last` showed so far.

    played   histories by seed, of this run; players are not equally fast, so it may have gaps at its end
    earlier  lines of runs that ended just before `first`, which this one carries on
    """

    first: int
    last: int
    earlier: list[str] = field(default_factory=list)
    broken: list[int] = field(default_factory=list)
    played: dict[int, int] = field(default_factory=dict)

    def note(self, seed: int, histories: int, violation: str) -> None:
        self.played[seed] = histories
        if violation:
            self.broken.append(seed)

    @property
    def reached(self) -> int:
        """The last seed before the first gap; one below `first` when there is none."""
        return next(seed for seed in range(self.first, self.last + 2) if seed not in self.played) - 1

    @property
    def is_clean(self) -> bool:
        """Every seed was played, each is one history, and none broke a rule."""
        return self.reached == self.last and not self.broken and self._histories() == self.last - self.first + 1

    def lines(self) -> list[str]:
        """The runs, what broke, the bound, and the verdict over all of them."""
        runs = [*self.earlier, f"{self._counted(self.first)} ({where()})"]
        parts = [found for found in map(_EARLIER.fullmatch, runs) if found]
        histories, violations = (sum(int(part[at]) for part in parts) for at in (3, 4))
        verdict = f"{histories} histories, {violations} violations, seeds {parts[0][1]}-{parts[-1][2]}"
        bound = f"With 0 violations in {histories}, fewer than {3 / max(histories, 1):.2%} of histories break a rule (95 %: 3/n)."
        broken = [f"{_BROKEN}{seed}" for seed in self.broken]
        return [*runs, *broken, *([] if violations else [bound]), f"{NAME}: {verdict}"]

    def keep(self) -> None:
        """Store what is certain by now: nothing beyond a gap but what broke there."""
        if self.reached >= self.first or self.broken:
            keep(NAME, self.lines())

    def _counted(self, first: int) -> str:
        return f"seeds {first}-{self.reached}: {self._histories()} histories, {len(self.broken)} violations"

    def _histories(self) -> int:
        return sum(self.played[seed] for seed in range(self.first, self.reached + 1))


def tally(first: int, last: int) -> Tally:
    """A new one. Carries on what is kept when that ended at the seed before `first`; else begins anew."""
    path = FIGURES / f"{NAME}.txt"
    kept = path.read_text().splitlines() if path.exists() else []
    runs = [line for line in kept if _EARLIER.fullmatch(line) or line.startswith(_BROKEN)]
    parts = [found for found in map(_EARLIER.fullmatch, kept) if found]
    return Tally(first, last, earlier=runs if parts and int(parts[-1][2]) == first - 1 else [])
