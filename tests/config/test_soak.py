"""What a long run makes of rules that do not hold while faults go on."""

from config.local.proofs.soak import Watched

LATE, MONEY = "I-28: 1 ['follow_up:7']", "I-04: 1 ['order:7']"


def test_money_counts_at_once_and_what_is_merely_late_when_it_is_late_twice_running():
    watched = Watched()
    for found in ([LATE], [], [LATE], [MONEY, LATE]):
        watched.look(found)

    assert watched.broken == [MONEY, LATE]
    assert (watched.delayed, watched.checks) == ([LATE, LATE], 4)
