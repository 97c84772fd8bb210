"""The pretend Alipay's core: the life of a trade, told by its own gateway to our own client."""

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import pytest

from payments.alipay import requests
from payments.alipay.answers import read_cancel, read_close, read_precreate, read_query, read_refund, read_refund_query
from payments.alipay.facts import Cancelled, Refunded, RefundFacts, TradeFacts, TradeStatus
from payments.alipay.keys import Credentials, load_private_key
from payments.alipay.notices import facts_of, read_form, verified
from payments.alipay.outcomes import CertainlyNot, Done, Next, Unknown
from payments.money import Money
from payments.sandbox.alipay import Alipay, Identity, Refused
from payments.sandbox.book import Book, Refund, Trade
from payments.sandbox.notices import TIMETABLE, after_try, announce, announce_refunds

NOW = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def who(identity: tuple[Identity, Path]) -> Credentials:
    numbers, folder = identity
    key = load_private_key((folder / "app_private_key.pem").read_text())
    return Credentials(numbers.app_id, numbers.seller_id, key, (numbers.alipay_key.public_key(),))


def open_alipay(identity: Identity, book: Book | None = None) -> Alipay:
    return Alipay(identity, book or Book(), chance=random.Random(3), address="http://a", least_life=MINUTE)


@pytest.fixture
def alipay(identity: tuple[Identity, Path]) -> Alipay:
    return open_alipay(identity[0])


@pytest.fixture
def ask(alipay: Alipay, who: Credentials) -> Callable[..., str]:
    def send(request: requests.Request, now: datetime = NOW) -> str:
        signed = requests.signed(request, who=who, at=now)
        return alipay.answer(dict(parse_qsl(f"{signed.query}&{signed.body}")), now)

    return send


def offer(number: str = "A1", **changes) -> requests.Request:
    words = {
        "total": Money(8880),
        "title": "龙井",
        "time_expire": NOW + 15 * MINUTE,
        "notify_url": "https://s/n",
        **changes,
    }
    return requests.precreate(out_trade_no=number, **words)


@pytest.fixture
def status(ask, who) -> Callable[..., TradeFacts]:
    def of(number: str = "A1", now: datetime = NOW) -> TradeFacts:
        result = read_query(ask(requests.query(number), now).encode(), who=who, out_trade_no=number)
        assert isinstance(result, Done), result
        return result.answer

    return of


def refusal(body: str) -> str:
    (node,) = (value for name, value in json.loads(body).items() if name.endswith("_response"))
    return node.get("sub_code", "")


def test_a_code_is_drawn_by_our_client_and_no_trade_exists_before_the_scan(ask, who, status):
    result = read_precreate(ask(offer()).encode(), who=who, out_trade_no="A1")

    assert isinstance(result, Done)
    assert result.answer.startswith("http://a/qr/bax")
    assert status().status is TradeStatus.ABSENT


def test_scan_pay_and_nothing_after(alipay, ask, status):
    ask(offer())
    trade = alipay.book.trades["A1"]

    alipay.enter(trade, NOW)
    assert status().status is TradeStatus.WAITING
    alipay.pay(trade, NOW + MINUTE)
    paid = status()

    assert (paid.status, paid.total, paid.paid_at) == (TradeStatus.PAID, Money(8880), NOW + MINUTE)
    assert paid.trade_no is not None
    assert len(paid.trade_no) == 28
    with pytest.raises(Refused, match="TRADE_HAS_SUCCESS"):
        alipay.pay(trade, NOW)


def test_an_unpaid_trade_ends_at_its_time(alipay, ask, status):
    ask(offer())
    alipay.enter(alipay.book.trades["A1"], NOW)

    assert status(now=NOW + 14 * MINUTE).status is TradeStatus.WAITING
    assert status(now=NOW + 15 * MINUTE).status is TradeStatus.CLOSED


def test_a_code_cannot_be_scanned_after_its_time(alipay, ask):
    ask(offer())

    with pytest.raises(Refused, match="TRADE_HAS_CLOSE"):
        alipay.enter(alipay.book.trades["A1"], NOW + 15 * MINUTE)


def test_only_a_trade_that_waits_can_be_closed(alipay, ask, who):
    def close() -> object:
        return read_close(ask(requests.close("A1")).encode(), who=who, out_trade_no="A1")

    ask(offer())
    assert close() == CertainlyNot("40004", "TRADE_NOT_EXIST", Next.WAIT)
    alipay.enter(alipay.book.trades["A1"], NOW)
    assert isinstance(close(), Done)
    assert close() == CertainlyNot("40004", "TRADE_STATUS_ERROR", Next.ASK)


def test_the_same_number_with_other_content_is_refused(ask):
    first = ask(offer())

    assert (
        json.loads(ask(offer()))["alipay_trade_precreate_response"]
        == json.loads(first)["alipay_trade_precreate_response"]
    )
    assert refusal(ask(offer(total=Money(1)))) == "ACQ.CONTEXT_INCONSISTENT"


@pytest.mark.parametrize(
    ("changes", "sub_code"),
    [
        ({"total": Money(0)}, "ACQ.TOTAL_FEE_EXCEED"),
        ({"total": Money(100_000_000_01)}, "ACQ.TOTAL_FEE_EXCEED"),
        ({"time_expire": NOW - MINUTE}, "ACQ.NOW_TIME_AFTER_EXPIRE_TIME_ERROR"),
        ({"time_expire": NOW + timedelta(days=16)}, "ACQ.INVALID_PARAMETER"),
        ({"time_expire": NOW + timedelta(seconds=30)}, "ACQ.INVALID_PARAMETER"),
    ],
)
def test_what_alipay_would_not_take_is_not_taken(ask, changes, sub_code):
    assert refusal(ask(offer(**changes))) == sub_code


@pytest.mark.parametrize("number", ["", "A-1", "A" * 65, "龙井"])
def test_a_number_of_other_signs_is_refused(ask, number):
    assert refusal(ask(offer(number))) == "ACQ.INVALID_PARAMETER"


@pytest.mark.parametrize(
    ("change", "sub_code"),
    [
        ({"app_id": "9999"}, "isv.invalid-app-id"),
        ({"sign": "QUJD"}, "isv.invalid-signature"),
        ({"timestamp": "2026-01-01 00:00:00"}, "isv.invalid-signature"),
        ({"sign_type": "RSA"}, "isv.invalid-signature"),
        ({"method": ""}, "isv.missing-method"),
    ],
)
def test_a_request_that_is_not_genuine_is_refused_unsigned(alipay, who, change, sub_code):
    signed = requests.signed(requests.query("A1"), who=who, at=NOW)
    params = {**dict(parse_qsl(f"{signed.query}&{signed.body}")), **change}

    body = alipay.answer(params, NOW)
    assert refusal(body) == sub_code
    assert "sign" not in json.loads(body)


def test_answers_escape_slashes_and_keep_chinese(ask):
    body = ask(offer())

    assert "http:\\/\\/a\\/qr" in body
    assert body.startswith('{"alipay_trade_precreate_response":{"code":"10000","msg":"Success"')


def test_a_notice_is_one_our_reader_believes(alipay, ask, who):
    ask(offer(title="龙井 & 茶"))
    trade = alipay.pay(alipay.book.trades["A1"], NOW)
    sent = alipay.signed_notice(alipay.notice_of(trade, NOW), NOW)

    from urllib.parse import urlencode  # noqa: PLC0415  # beside its use

    facts = facts_of(verified(read_form(urlencode(sent).encode()), who.alipay_keys))
    assert isinstance(facts, TradeFacts)
    assert (facts.status, facts.total, facts.seller_id) == (TradeStatus.PAID, Money(8880), who.seller_id)


def test_notices_follow_alipays_timetable_until_success(alipay, ask):
    ask(offer())
    trade = alipay.pay(alipay.book.trades["A1"], NOW)
    delivery = announce(alipay, trade, NOW)
    assert delivery is not None

    waits = []
    moment = NOW
    while delivery.next_at is not None:
        after_try(alipay, delivery, "fail", moment, timescale=1)
        if delivery.next_at is not None:
            waits.append(delivery.next_at - moment)
            moment = delivery.next_at

    assert (waits, delivery.tries) == (TIMETABLE, 8)
    assert sum(waits, timedelta()) == timedelta(hours=24, minutes=24)


@pytest.mark.parametrize(
    "answer", ["SUCCESS", "success\n", '"success"', "<html>success</html>", "HTTP 500: success", ""]
)
def test_only_the_seven_letters_stop_them(alipay, ask, answer):
    ask(offer())
    delivery = announce(alipay, alipay.pay(alipay.book.trades["A1"], NOW), NOW)
    assert delivery is not None

    after_try(alipay, delivery, answer, NOW, timescale=1)
    assert not delivery.is_done
    after_try(alipay, delivery, "success", NOW, timescale=1)
    assert delivery.is_done


def test_a_resent_notice_has_another_time_and_signature_and_the_same_id(alipay, ask):
    ask(offer())
    fields = alipay.notice_of(alipay.pay(alipay.book.trades["A1"], NOW), NOW)

    first, second = alipay.signed_notice(fields, NOW), alipay.signed_notice(fields, NOW + MINUTE)
    assert first["notify_id"] == second["notify_id"]
    assert first["sign"] != second["sign"]


def test_the_book_survives_a_restart_and_a_kill_while_writing(identity, tmp_path, who):
    path = tmp_path / "book.jsonl"
    alipay = open_alipay(identity[0], Book(path))
    signed = requests.signed(offer(), who=who, at=NOW)
    alipay.answer(dict(parse_qsl(f"{signed.query}&{signed.body}")), NOW)
    trade = alipay.pay(alipay.book.trades["A1"], NOW)
    announce(alipay, trade, NOW)
    with path.open("a") as file:
        file.write('["trade", {"out_trade_no": "B')

    again = Book(path)
    assert again.trades == alipay.book.trades
    assert again.deliveries == alipay.book.deliveries
    assert again.by_trade_no(trade.trade_no) == trade


def test_the_same_seed_makes_the_same_numbers(identity, who):
    def numbers() -> list[str]:
        alipay = open_alipay(identity[0])
        signed = requests.signed(offer(), who=who, at=NOW)
        alipay.answer(dict(parse_qsl(f"{signed.query}&{signed.body}")), NOW)
        trade = alipay.pay(alipay.book.trades["A1"], NOW)
        return [trade.qr_code, trade.trade_no]

    assert numbers() == numbers()


@pytest.fixture
def paid(alipay, ask):
    ask(offer())
    return alipay.pay(alipay.book.trades["A1"], NOW)


@pytest.fixture
def give_back(ask, who):
    def send(fen: int, number: str, now: datetime = NOW):
        order = requests.refund(out_trade_no="A1", out_request_no=number, amount=Money(fen), reason="不想要了")
        return read_refund(ask(order, now).encode(), who=who, out_trade_no="A1")

    return send


@pytest.fixture
def ask_refund(ask, who):
    def send(fen: int, number: str):
        body = ask(requests.refund_query(out_trade_no="A1", out_request_no=number)).encode()
        return read_refund_query(body, who=who, out_trade_no="A1", out_request_no=number, amount=Money(fen))

    return send


def test_refunds_add_up_and_the_last_one_closes_the_trade(paid, give_back, status):
    first, second = give_back(1000, "R1"), give_back(7880, "R2")

    assert (first.answer.refunded_total, second.answer.refunded_total) == (Money(1000), Money(8880))
    assert status().status is TradeStatus.CLOSED
    assert status().paid_at == NOW


def test_a_repeated_refund_moves_nothing_and_the_query_tells_it_is_done(paid, give_back, ask_refund):
    give_back(1000, "R1")

    assert isinstance(give_back(1000, "R1"), Unknown)
    assert paid.refunded == Money(1000)
    assert ask_refund(1000, "R1") == Done(Refunded(paid.trade_no, Money(1000), None))
    assert isinstance(ask_refund(999, "R1"), Unknown)


def test_a_refund_alipay_does_not_show_is_neither_done_nor_failed(paid, ask_refund):
    assert ask_refund(1000, "R9") == Done(None)


def test_refunds_alipay_refuses(paid, give_back):
    give_back(1000, "R1")

    assert give_back(1001, "R1") == CertainlyNot("40004", "DISCORDANT_REPEAT_REQUEST", Next.ALERT)
    assert give_back(7881, "R2") == CertainlyNot("40004", "REFUND_AMT_NOT_EQUAL_TOTAL", Next.ASK)
    late = give_back(1, "R3", NOW + timedelta(days=365))
    assert late == CertainlyNot("40004", "TRADE_HAS_FINISHED", Next.BY_HAND)
    assert paid.refunded == Money(1000)


def test_an_unpaid_trade_cannot_be_refunded(alipay, ask, give_back):
    ask(offer())
    alipay.enter(alipay.book.trades["A1"], NOW)

    assert give_back(1, "R1") == CertainlyNot("40004", "TRADE_STATUS_ERROR", Next.ASK)


def test_a_refund_is_told_at_the_payments_address_with_the_sum_of_all(alipay, paid, give_back, who):
    give_back(1000, "R1")
    give_back(500, "R2")
    first, second = announce_refunds(alipay, NOW)

    assert announce_refunds(alipay, NOW) == []
    assert (first.url, first.notify_id == second.notify_id) == ("https://s/n", False)
    sent = urlencode(alipay.signed_notice(second.fields, NOW)).encode()
    facts = facts_of(verified(read_form(sent), who.alipay_keys))
    assert isinstance(facts, RefundFacts)
    assert (facts.out_request_no, facts.refunded_total) == ("R2", Money(1500))
    assert facts.status is TradeStatus.PAID
    assert facts.refunded_at == NOW


def test_cancel_closes_what_is_unpaid_and_refunds_what_is_paid(alipay, ask, who):
    def cancel(number: str, now: datetime = NOW):
        return read_cancel(ask(requests.cancel(number), now).encode(), who=who, out_trade_no=number)

    for number in ("A1", "A2", "A3"):
        ask(offer(number))
    unpaid, bought = alipay.book.trades["A1"], alipay.book.trades["A2"]
    alipay.enter(unpaid, NOW)
    alipay.pay(bought, NOW)

    assert cancel("A1") == Done(Cancelled(unpaid.trade_no, was_paid=False))
    assert cancel("A2") == cancel("A2") == Done(Cancelled(bought.trade_no, was_paid=True))
    assert bought.refunded == bought.total
    assert isinstance(cancel("A3"), Unknown)  # nobody scanned: the code can still be paid
    alipay.pay(alipay.book.trades["A3"], NOW)
    assert cancel("A3", NOW + timedelta(hours=24)) == CertainlyNot("40004", "TRADE_CANCEL_TIME_OUT", Next.ASK)


def test_refunds_survive_a_restart(identity, tmp_path):
    book = Book(tmp_path / "book")
    refund = Refund("R1", 100, NOW)
    book.keep(Trade("A1", 8880, "龙井", "", "", refunds=[refund]))

    assert Book(tmp_path / "book").trades["A1"].refunds == [refund]
