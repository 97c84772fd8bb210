"""The process dies at points of every flow; what it leaves is finished, once, and both books agree."""

import pytest

from tests.simulation.crashes import FLOWS, try_points
from tests.simulation.ground import Ground


@pytest.mark.rows("F01", "F02", "F03", "F04", "F05", "F06", "F07")
@pytest.mark.parametrize("name", FLOWS)
def test_death_at_any_point_of_a_flow_loses_and_doubles_nothing(under_us: Ground, name: str):
    assert try_points(under_us, FLOWS[name], every=13) >= 1
