"""A deployment tells a worker to stop while it works: it ends in time, and the next one does what was left."""

import signal
import time

import pytest

from config.local import purchase
from config.local.stack import Stack

LONGEST_STOP_S = 30


@pytest.mark.rows("F09")
def test_a_worker_told_to_stop_in_the_middle_ends_in_time_and_the_next_one_finishes(
    product: Stack, request_payment, control
):
    payments = [request_payment() for _ in range(4)]
    control("faults", mute="true")  # the poller alone can learn of these
    for payment in payments:
        control("pay", out_trade_no=payment.out_trade_no)

    worker, started = product.processes["worker"], time.monotonic()
    worker.send_signal(signal.SIGTERM)
    try:
        worker.wait(LONGEST_STOP_S)
    finally:
        product.stop("worker")
        product.run("worker")

    assert time.monotonic() - started < LONGEST_STOP_S
    purchase.until("all are paid", lambda: {purchase.page_state(each) for each in payments} == {"paid"}, patience_s=120)
