"""Our own client against the pretend Alipay, without Django: every request it can make, and what it reads of the answers."""

import io
import random
import urllib.parse
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from payments.alipay import answers, requests
from payments.alipay.certificates import alipay_root_cert_sn, app_cert_sn, load_certificate
from payments.alipay.client import Post, Transport
from payments.alipay.clock import BEIJING
from payments.alipay.encryption import load_content_key
from payments.alipay.facts import Cancelled, TradeFacts, TradeStatus
from payments.alipay.keys import CertificateMode, Credentials, load_private_key, load_public_key
from payments.alipay.notices import facts_of, read_form, verified
from payments.alipay.outcomes import CertainlyNot, Done, Next, Unknown
from payments.errors import BadSignature
from payments.money import Money
from tests.sandbox.walk import Walk

walk = Walk()
step, number = walk.step, walk.number
transport = Transport(connections=2)
numbers = (walk.text("app_id").strip(), walk.text("seller_id").strip())
app_key = load_private_key(walk.text("app_private_key.pem"))
if walk.words.mode == "key":
    who = Credentials(*numbers, app_key, (load_public_key(walk.text("alipay_public_key.pem")),))
else:
    theirs = load_certificate(walk.text("alipayCertPublicKey_RSA2.crt"))
    mode = CertificateMode(
        app_cert_sn(walk.text(f"appCertPublicKey_{numbers[0]}.crt")), alipay_root_cert_sn(walk.text("alipayRootCert.crt")),
        {theirs.sn: theirs.public_key},
    )  # fmt: skip
    who = Credentials(*numbers, app_key, (theirs.public_key,), mode, load_content_key(walk.text("aes_key")))
TEA = "明前龙井 50 克 100% + “好茶” 🍵"


def sent(request: requests.Request) -> bytes:
    signed = requests.signed(request, who=who, at=datetime.now(UTC))
    return transport.send(Post(signed.post_url(walk.gateway), signed.body), deadline_s=10)


def offer(make: Callable[..., requests.Request], name: str, fen: int = 8880, **more: str) -> requests.Request:
    return make(
        out_trade_no=number(name), total=Money(fen), title=TEA, time_expire=datetime.now(UTC) + timedelta(minutes=15),
        notify_url="http://127.0.0.1:9/notify", **more,
    )  # fmt: skip


def asked(name: str) -> TradeFacts:
    result = answers.read_query(sent(requests.query(number(name))), who=who, out_trade_no=number(name))
    assert isinstance(result, Done), result
    return result.answer


def paid(name: str, fen: int = 8880) -> None:
    sent(offer(requests.precreate, name, fen))
    walk.control("pay", out_trade_no=number(name))


@step("precreate, query before and after the scan, payment")
def _() -> None:
    result = answers.read_precreate(sent(offer(requests.precreate, "q")), who=who, out_trade_no=number("q"))
    assert isinstance(result, Done), result
    states = [asked("q").status]
    for act in ("scan", "pay"):
        walk.control(act, out_trade_no=number("q"))
        states.append(asked("q").status)
    assert states == [TradeStatus.ABSENT, TradeStatus.WAITING, TradeStatus.PAID]
    assert asked("q").total == Money(8880)


def opened(request: requests.Request) -> str:
    return requests.signed(request, who=who, at=datetime.now(UTC)).browser_url(walk.gateway)


@step("page pay")
def _() -> None:
    url = opened(offer(requests.page_pay, "p", return_url="http://127.0.0.1:9/back"))
    assert "88.80" in walk.page(urllib.parse.urlsplit(url).query)
    assert asked("p").status is TradeStatus.ABSENT
    walk.control("pay", url=url)
    assert asked("p").status is TradeStatus.PAID


@step("wap pay")
def _() -> None:
    back = "http://127.0.0.1:9/back"
    walk.control("pay", url=opened(offer(requests.wap_pay, "w", return_url=back, quit_url=back)))
    assert asked("w").status is TradeStatus.PAID


@step("app pay")
def _() -> None:
    walk.control("pay", url=opened(offer(requests.app_pay, "a")))
    assert asked("a").status is TradeStatus.PAID


@step("a tampered address is refused")
def _() -> None:
    url = opened(offer(requests.page_pay, "t", return_url="http://127.0.0.1:9/back"))
    assert "isv.invalid-signature" in walk.page(urllib.parse.urlsplit(url).query.replace("88.80", "00.01"))


@step("barcode: pays, asks for a password, balance too low, risk, used code")
def _() -> None:
    def scan(name: str, code: str, fen: int = 1000) -> Any:
        body = sent(offer(requests.pay, name, fen, auth_code=code))
        return answers.read_pay(body, who=who, out_trade_no=number(name), total=Money(fen))

    mine = f"28{random.randrange(10**16):016d}"
    assert isinstance(scan("b1", mine), Done)
    assert asked("b1").status is TradeStatus.PAID
    assert isinstance(scan("b2", f"28{random.randrange(10**16):016d}", 100001), Unknown)
    assert isinstance(scan("b3", f"25000001{random.randrange(10**10):010d}"), Unknown)
    walk.control("pay", out_trade_no=number("b3"))
    assert asked("b3").status is TradeStatus.PAID
    for name, code in (("b4", "250000020000000000"), ("b5", "250000030000000000"), ("b6", mine)):
        assert isinstance(scan(name, code), CertainlyNot), name


@step("create, close, close again")
def _() -> None:
    def close(name: str) -> Any:
        return answers.read_close(sent(requests.close(number(name))), who=who, out_trade_no=number(name))

    result = answers.read_create(
        sent(offer(requests.create, "c", buyer_open_id="074a")), who=who, out_trade_no=number("c")
    )
    assert isinstance(result, Done), result
    assert close("c") == Done(result.answer)
    assert close("c").next is Next.ASK
    assert close("nothing").next is Next.WAIT


@step("cancel: unpaid is closed, paid is refunded, unknown names no action")
def _() -> None:
    def cancel(name: str) -> Any:
        return answers.read_cancel(sent(requests.cancel(number(name))), who=who, out_trade_no=number(name))

    sent(offer(requests.precreate, "x1"))
    assert isinstance(cancel("x1"), Unknown)
    walk.control("scan", out_trade_no=number("x1"))
    assert cancel("x1") == Done(Cancelled(asked("x1").trade_no or "", was_paid=False))
    paid("x2")
    assert cancel("x2").answer.was_paid
    assert asked("x2").status is TradeStatus.CLOSED


@step("refund in parts, replayed, with another amount, too much, too soon, in full")
def _() -> None:
    paid("r", 1000)

    def refund(fen: int, request: str) -> Any:
        order = requests.refund(out_trade_no=number("r"), out_request_no=request, amount=Money(fen), reason="不想要了")
        return answers.read_refund(sent(order), who=who, out_trade_no=number("r"))

    assert refund(400, "R1").answer.refunded_total == Money(400)
    assert isinstance(refund(400, "R1"), Unknown)
    assert refund(401, "R1").sub_code == "DISCORDANT_REPEAT_REQUEST"
    assert refund(601, "R2").sub_code == "REFUND_AMT_NOT_EQUAL_TOTAL"
    assert isinstance(refund(600, "R3"), Unknown)
    walk.control("clock", ahead_s=5)
    last = refund(600, "R3")
    walk.control("clock", ahead_s=0)
    assert last.answer.refunded_total == Money(1000)
    assert asked("r").status is TradeStatus.CLOSED


@step("refund query: done, unknown number, unknown trade")
def _() -> None:
    def query(name: str, request: str) -> Any:
        question = requests.refund_query(out_trade_no=number(name), out_request_no=request)
        return answers.read_refund_query(
            sent(question), who=who, out_trade_no=number(name), out_request_no=request, amount=Money(400)
        )

    assert query("r", "R1").answer.amount == Money(400)
    assert query("r", "R9") == Done(None)
    assert isinstance(query("r", "R3"), Unknown)  # six yuan, not four
    assert query("nothing", "R1").sub_code == "TRADE_NOT_EXIST"


@step("refund to a bank card: first on its way, then there")
def _() -> None:
    sent(offer(requests.precreate, "k"))
    walk.control("pay", out_trade_no=number("k"), channel="BANKCARD")
    order = requests.refund(out_trade_no=number("k"), out_request_no="R1", amount=Money(100), deposit_back=True)
    sent(order)
    seen = []
    for ahead in (0, 2 * 86400):
        walk.control("clock", ahead_s=ahead)
        question = requests.refund_query(out_trade_no=number("k"), out_request_no="R1", deposit_back=True)
        result = answers.read_refund_query(
            sent(question), who=who, out_trade_no=number("k"), out_request_no="R1", amount=Money(100)
        )
        assert isinstance(result, Done), result
        seen.append(result.answer.deposit_back.status if result.answer and result.answer.deposit_back else None)
    walk.control("clock", ahead_s=0)
    assert [str(each) for each in seen] == ["P", "S"], seen


@step("a notice verifies, an altered one does not")
def _() -> None:
    paid("n")
    walk.control("resend", out_trade_no=number("n"))
    fields = walk.notice(number("n"))
    facts = facts_of(verified(read_form(urllib.parse.urlencode(fields).encode()), who.alipay_keys))
    assert isinstance(facts, TradeFacts)
    assert (facts.status, facts.total) == (TradeStatus.PAID, Money(8880))
    altered = urllib.parse.urlencode({**fields, "total_amount": "0.01"}).encode()
    with pytest.raises(BadSignature):
        verified(read_form(altered), who.alipay_keys)


def bill(bill_type: str) -> tuple[list[str], list[str]]:
    walk.control("clock", ahead_s=40 * 86400)
    try:
        request = requests.bill_link(bill_type=bill_type, day=datetime.now(BEIJING).date())
        result = answers.read_bill_link(sent(request), who=who)
        assert isinstance(result, Done), result
        archive = zipfile.ZipFile(io.BytesIO(walk.fetched(result.answer.url)))
    finally:
        walk.control("clock", ahead_s=0)
    names = [each.encode("cp437").decode("gbk") for each in archive.namelist()]
    return names, archive.read(archive.namelist()[0]).decode("gb18030").split("\r\n")


@step("trade bill: asked for, downloaded, read")
def _() -> None:
    names, lines = bill("trade")
    assert [each.rsplit("_", 1)[-1] for each in names] == ["业务明细.csv", "业务明细(汇总).csv"], names
    assert sum(f",{number('r')}\t," in line for line in lines) == 3


@step("account bill: asked for, downloaded, its balance runs")
def _() -> None:
    _, lines = bill("signcustomer")
    cells = [line.rsplit(",", 6)[1:4] for line in lines if line and not line.startswith("#")][1:]
    balance = 0
    for income, expense, shown in cells:
        balance += round(float(income) * 100) + round(float(expense) * 100)
        assert balance == round(float(shown) * 100), (income, expense, shown)


@step("no bill of a day that is not over")
def _() -> None:
    request = requests.bill_link(bill_type="trade", day=datetime.now(BEIJING).date())
    assert isinstance(answers.read_bill_link(sent(request), who=who), CertainlyNot)


@step("faults: a wrong signature, too many calls, a system error after success")
def _() -> None:
    paid("l")
    for fault in ("bad_answer_signature", "unsigned", "rate_limit", "error_after"):
        walk.control("faults", **{fault: 1})
        body = sent(requests.query(number("l")))
        assert isinstance(answers.read_query(body, who=who, out_trade_no=number("l")), Unknown), fault
    assert asked("l").status is TradeStatus.PAID


walk.run()
transport.close()
