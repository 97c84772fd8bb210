"""A sample of `make protocol-proof`."""

from tests.payments.alipay.proving import MUTATIONS, prove


def test_openssl_and_we_understand_each_other_and_what_was_altered_is_refused():
    tally = prove(messages=40, mutants=2000, seed=7)

    assert dict(tally.failed) == {}, tally.examples
    assert tally.passed["request: we sign, openssl verifies"] == 40
    assert {name for name in MUTATIONS if tally.passed[f"altered: {name}"]} == set(MUTATIONS)
