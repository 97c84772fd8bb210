import threading
import time

from payments.alipay.breaker import Breaker


def failing(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        breaker.note(succeeded=False)


def test_it_opens_after_failures_in_a_row_only():
    breaker = Breaker(failures=3, pause_s=60)
    for _ in range(5):
        failing(breaker, 2)
        breaker.note(succeeded=True)
    assert breaker.admits()

    failing(breaker, 3)
    assert breaker.is_open()
    assert not breaker.admits()


def test_one_caller_tries_after_the_pause_however_many_come():
    breaker = Breaker(failures=1, pause_s=0.1)
    failing(breaker, 1)
    time.sleep(0.12)
    admitted: list[bool] = []
    threads = [threading.Thread(target=lambda: admitted.append(breaker.admits())) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert admitted.count(True) == 1


def test_a_trial_that_fails_keeps_it_open_and_one_that_succeeds_closes_it():
    breaker = Breaker(failures=1, pause_s=0.05)
    failing(breaker, 1)
    time.sleep(0.06)
    assert breaker.admits()
    failing(breaker, 1)
    assert breaker.is_open()
    assert not breaker.admits()

    time.sleep(0.06)
    assert breaker.admits()
    breaker.note(succeeded=True)
    assert not breaker.is_open()
    assert breaker.admits()


def test_failures_of_calls_that_left_before_it_opened_change_nothing_and_a_success_proves_it_alive():
    breaker = Breaker(failures=2, pause_s=60)
    failing(breaker, 10)
    assert not breaker.admits()

    breaker.note(succeeded=True)
    assert breaker.admits()
