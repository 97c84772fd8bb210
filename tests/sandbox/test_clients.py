"""Our client and a public SDK walk through everything the running pretend Alipay offers, in key and certificate mode."""

from config.local.sdk_proof import CLIENTS, MODES, proved


def test_no_client_can_tell_it_from_the_real_one():
    table = proved()

    walked = {column for cells in table.values() for column in cells}
    failed = {
        (name, column): said for name, cells in table.items() for column, (passed, said) in cells.items() if not passed
    }
    assert failed == {}
    assert walked == {f"{client} {mode}" for client in CLIENTS for mode in MODES}
    assert len(table) >= 15
