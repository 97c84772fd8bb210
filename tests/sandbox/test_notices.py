"""Notices: their fields, their timetable, and what goes wrong on the way."""

from datetime import timedelta
from urllib.parse import urlencode

import pytest

from payments.alipay import requests
from payments.alipay.facts import TradeFacts, TradeStatus
from payments.alipay.notices import facts_of, read_form, verified
from payments.alipay.signing import notice_text, verifies
from payments.errors import BadSignature
from payments.money import Money
from payments.sandbox.notices import (
    TIMETABLE,
    after_try,
    announce,
    due,
    next_due,
    notice_of,
    signed_notice,
    signed_return,
    tries,
)
from payments.sandbox.wishes import set_faults
from tests.sandbox.conftest import MINUTE, NOW, offer, params_of


def test_a_notice_is_one_our_reader_believes(alipay, ask, who):
    ask(offer(title="龙井 & 茶"))
    trade = alipay.pay(alipay.book.trades["A1"], NOW)
    sent = signed_notice(alipay, notice_of(alipay, trade, NOW), NOW)

    facts = facts_of(verified(read_form(urlencode(sent).encode()), who.alipay_keys))
    assert isinstance(facts, TradeFacts)
    assert (facts.status, facts.total, facts.seller_id) == (TradeStatus.PAID, Money(8880), who.seller_id)


def test_notices_follow_alipays_timetable_until_success(alipay, ask):
    ask(offer())
    alipay.pay(alipay.book.trades["A1"], NOW)
    (delivery,) = announce(alipay, NOW)

    waits = []
    moment = NOW
    while delivery.next_at is not None:
        after_try(alipay, delivery, "fail", moment, timescale=1)
        if delivery.next_at is not None:
            waits.append(delivery.next_at - moment)
            moment = delivery.next_at

    at_once = [timedelta(0)] * 3  # paid by a code: three times at once before the timetable begins
    assert (waits, delivery.tries) == (at_once + TIMETABLE, 11)
    assert sum(waits, timedelta()) == timedelta(hours=24, minutes=24)


@pytest.mark.parametrize(
    "answer", ["SUCCESS", "success\n", '"success"', "<html>success</html>", "HTTP 500: success", ""]
)
def test_only_the_seven_letters_stop_them(alipay, ask, answer):
    ask(offer())
    alipay.pay(alipay.book.trades["A1"], NOW)
    (delivery,) = announce(alipay, NOW)

    after_try(alipay, delivery, answer, NOW, timescale=1)
    assert not delivery.is_done
    after_try(alipay, delivery, "success", NOW, timescale=1)
    assert delivery.is_done


def test_a_resent_notice_has_another_time_and_signature_and_the_same_id(alipay, ask):
    ask(offer())
    fields = notice_of(alipay, alipay.pay(alipay.book.trades["A1"], NOW), NOW)

    first, second = signed_notice(alipay, fields, NOW), signed_notice(alipay, fields, NOW + MINUTE)
    assert first["notify_id"] == second["notify_id"]
    assert first["sign"] != second["sign"]


def test_a_sale_on_the_web_is_not_repeated_at_once(alipay, who):
    page = requests.page_pay(
        out_trade_no="W1", total=Money(100), title="茶", time_expire=NOW + 15 * MINUTE, notify_url="https://s/n",
        return_url="https://s/r",
    )  # fmt: skip
    alipay.pay(alipay.open_page(params_of(page, who), NOW), NOW)
    (delivery,) = announce(alipay, NOW)

    after_try(alipay, delivery, "fail", NOW, timescale=1)
    assert delivery.next_at == NOW + TIMETABLE[0]


def one_delivery(alipay, ask, number="A1"):
    ask(offer(number))
    alipay.pay(alipay.book.trades[number], NOW)
    return announce(alipay, NOW)[0]


def test_untrue_notices_are_told_once_and_the_truth_again(alipay, ask, who):
    delivery = one_delivery(alipay, ask)
    set_faults(alipay.faults, {"wrong_amount": "1", "wrong_seller": "1"})

    (lie,), (truth,) = (list(tries(alipay, delivery, NOW)) for _ in range(2))

    facts = facts_of(verified(read_form(urlencode(lie).encode()), who.alipay_keys))  # signed as well as any other
    assert (facts.total, facts.seller_id == who.seller_id) == (Money(8881), False)
    assert (truth["total_amount"], truth["seller_id"]) == ("88.80", who.seller_id)


def test_a_notice_with_a_bad_signature_is_not_believed(alipay, ask, who):
    delivery = one_delivery(alipay, ask)
    set_faults(alipay.faults, {"bad_signature": True})

    (forged,) = tries(alipay, delivery, NOW)
    with pytest.raises(BadSignature):
        verified(read_form(urlencode(forged).encode()), who.alipay_keys)


def test_notices_are_lost_doubled_and_late(alipay, ask):
    delivery = one_delivery(alipay, ask)
    set_faults(alipay.faults, {"notice_lost": 1})
    assert list(tries(alipay, delivery, NOW)) == []

    set_faults(alipay.faults, {"notice_twice": 1})
    first, second = tries(alipay, delivery, NOW)
    assert first == second

    set_faults(alipay.faults, {"notice_late": 1, "seconds": 7})
    assert one_delivery(alipay, ask, "A2").next_at == NOW + timedelta(seconds=7)


def test_a_swapped_notice_waits_for_the_next_and_comes_after_it(alipay, ask):
    first = one_delivery(alipay, ask)
    set_faults(alipay.faults, {"notice_swapped": 1})
    assert due(alipay, NOW) == []

    second = one_delivery(alipay, ask, "A2")
    assert due(alipay, NOW) == [second, first]


def test_nothing_is_due_while_notices_are_kept_back(alipay, ask):
    delivery = one_delivery(alipay, ask)
    set_faults(alipay.faults, {"mute": "true"})
    assert (due(alipay, NOW), next_due(alipay, NOW)) == ([], None)

    set_faults(alipay.faults, {"mute": "false"})
    assert due(alipay, NOW) == [delivery]


def test_the_way_back_speaks_of_no_status(alipay, ask, who):
    one_delivery(alipay, ask)
    back = signed_return(alipay, alipay.book.trades["A1"], NOW)

    assert verifies(notice_text(back, keep_empty=False).encode(), back["sign"], who.alipay_keys)
    assert not {"trade_status", "passback_params", "notify_id"} & set(back)
