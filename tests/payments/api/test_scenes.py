"""Ways to pay that programs alone can start: in the shop's app, on a page inside Alipay, by the code a buyer shows."""

import random
from datetime import timedelta

import pytest

from payments.models import GatewayCall, IdempotencyRecord, Order, Transaction
from payments.models.clock import database_now
from payments.sandbox.alipay import Refused
from payments.sandbox.barcodes import Outcome, new_code
from payments.services.close import close_due
from payments.services.poll import ask_about_due
from tests.payments.api.conftest import ORDER, code_of

CHANCE = random.Random(11)
LI, WANG = {"scene": "jsapi", "buyer_open_id": "li-0"}, {"scene": "jsapi", "buyer_id": "2088000000000001"}


@pytest.fixture
def placed(shop, connected) -> str:
    return f"orders/{shop.post('orders', ORDER).json()['number']}"


def shown(outcome: Outcome = Outcome.PAYS, **more: str) -> dict[str, str]:
    return {"scene": "counter", "auth_code": new_code(outcome, CHANCE), **more}


def calls(purpose: str) -> list[str]:
    return list(GatewayCall.objects.filter(purpose=purpose).order_by("started_at").values_list("outcome", flat=True))


# --- in the shop's app ----------------------------------------------------------------------------------------------


def test_an_app_gets_a_signed_order_string_that_alipay_takes_without_any_call_before(shop, placed, twin):
    told = shop.post(f"{placed}/payments", {"scene": "app"}).json()

    assert (told["state"], told["scene"], told["pay"]["url"], told["pay"]["trade_no"]) == ("presented", "app", "", "")
    assert "method=alipay.trade.app.pay" in told["pay"]["order_string"]
    assert GatewayCall.objects.count() == 0
    twin.control("pay", url=f"{twin.url}/gateway.do?{told['pay']['order_string']}")
    assert shop.post(f"payments/{told['number']}/check", {}).json()["state"] == "paid"
    assert twin.site.alipay.book.trades[told["number"]].product == "QUICK_MSECURITY_PAY"


def test_an_app_has_five_minutes_at_least(shop, placed):
    Order.objects.update(expires_at=database_now() + timedelta(minutes=3))

    attempt = Transaction.objects.get(out_trade_no=shop.post(f"{placed}/payments", {"scene": "app"}).json()["number"])
    assert attempt.time_expire >= database_now() + timedelta(minutes=4, seconds=50)


# --- on a page inside Alipay ----------------------------------------------------------------------------------------


def test_a_page_inside_alipay_gets_the_number_of_a_trade_made_for_its_buyer(shop, placed, twin):
    told = shop.post(f"{placed}/payments", LI).json()

    trade = twin.site.alipay.book.trades[told["number"]]
    assert told["pay"]["trade_no"] == told["trade_no"] == trade.trade_no
    assert (told["state"], trade.product) == ("presented", "JSAPI_PAY")
    twin.control("pay", out_trade_no=told["number"])
    assert shop.post(f"payments/{told['number']}/check", {}).json()["state"] == "paid"


def test_the_same_buyer_gets_the_same_trade_and_another_one_another(shop, placed, twin):
    first, again = (shop.post(f"{placed}/payments", LI).json() for _ in range(2))
    other = shop.post(f"{placed}/payments", WANG).json()

    assert first["pay"] == again["pay"] != other["pay"]
    assert calls("create") == ["done", "done"]
    assert [each["state"] for each in shop.get(f"{placed}/payments").json()] == ["closed", "presented"]


def test_a_trade_without_a_certain_answer_is_in_doubt_and_the_same_wish_goes_on_with_its_number(shop, placed, twin):
    twin.control("faults", swallow="1")
    doubtful = shop.post(f"{placed}/payments", LI).json()
    assert (doubtful["state"], doubtful["in_doubt"], doubtful["pay"]["trade_no"]) == ("created", True, "")
    Transaction.objects.update(next_check_at=database_now())
    ask_about_due(limit=10)
    assert calls("create") == ["unknown"], "nobody but the shop knows who pays"

    again = shop.post(f"{placed}/payments", LI).json()

    assert (again["number"], again["state"], again["in_doubt"]) == (doubtful["number"], "presented", False)
    assert again["pay"]["trade_no"] == twin.site.alipay.book.trades[again["number"]].trade_no


def test_a_buyer_alipay_refuses_is_told_by_its_code(shop, placed, twin, monkeypatch):
    def refuse(*_):
        raise Refused("ACQ.BUYER_NOT_EXIST", "买家不存在")

    monkeypatch.setattr(twin.site.alipay, "_create", refuse)

    told = shop.post(f"{placed}/payments", LI).json()
    assert (told["state"], told["refused"], told["refusal"]) == ("closed", True, "40004 BUYER_NOT_EXIST")


def test_a_trade_number_of_another_payment_is_believed_by_nobody(shop, placed, twin, monkeypatch):
    first = shop.post(f"{placed}/payments", LI).json()
    monkeypatch.setattr(
        twin.site.alipay, "_create", lambda call, _now: {"out_trade_no": call.text("out_trade_no"), "trade_no": first["trade_no"]}
    )  # fmt: skip

    told = shop.post(f"{placed}/payments", WANG).json()
    assert (told["state"], told["in_doubt"], told["trade_no"]) == ("created", True, None)


def test_who_pays_is_written_down_nowhere(shop, placed, twin):
    shop.post(f"{placed}/payments", {"scene": "jsapi", "buyer_open_id": "canary-7"})

    kept = [str(list(each.objects.values())) for each in (Transaction, GatewayCall, Order)]
    kept += [str(each.body) for each in IdempotencyRecord.objects.all()]
    assert "canary-7" not in "".join(kept)


# --- by the code a buyer shows --------------------------------------------------------------------------------------


def test_a_shown_code_is_charged_once_and_the_bill_names_the_till(shop, placed, twin):
    body = shown(terminal="T-7")
    told, again = (shop.post(f"{placed}/payments", body, key="sale-1").json() for _ in range(2))

    assert (told["state"], told["scene"], told["pay"]["qr_text"]) == ("paid", "counter", "")
    assert told == again
    assert (shop.get(placed).json()["state"], calls("pay")) == ("paid", ["done"])
    assert twin.site.alipay.book.trades[told["number"]].details["terminal_id"] == "T-7"
    assert Transaction.objects.get().cashier is None, "no person's till"
    assert code_of(shop.post(f"{placed}/payments", shown())) == "not_payable"


def test_a_process_that_died_after_charging_charges_no_second_time(shop, placed, twin):
    body = shown()
    told = shop.post(f"{placed}/payments", body, key="sale-1").json()
    held = database_now() - timedelta(seconds=1)
    IdempotencyRecord.objects.filter(caller__startswith="once:", key="sale-1").update(
        status=None, body=None, held_until=held
    )

    assert shop.post(f"{placed}/payments", body, key="sale-1").json()["number"] == told["number"]
    assert calls("pay") == ["done"]


def test_a_refused_code_says_why_and_another_one_pays(shop, placed, twin):
    refused = shop.post(f"{placed}/payments", shown(Outcome.TOO_LITTLE)).json()
    paid = shop.post(f"{placed}/payments", shown()).json()

    assert (refused["state"], refused["refused"]) == ("closed", True)
    assert refused["refusal"] == "40004 BUYER_BALANCE_NOT_ENOUGH"
    assert (paid["state"], paid["refusal"]) == ("paid", "")


def test_a_buyer_who_must_type_a_password_keeps_the_order_until_it_is_ended(shop, placed, twin):
    waiting = shop.post(f"{placed}/payments", shown(Outcome.PASSWORD)).json()
    assert waiting["state"] == "presented"
    assert code_of(shop.post(f"{placed}/payments", shown())) == "not_payable", "never two charges beside each other"

    ended = shop.post(f"payments/{waiting['number']}/close", {}).json()
    assert (ended["state"], calls("cancel")) == ("closed", ["done"])
    assert shop.post(f"{placed}/payments", shown()).json()["state"] == "paid"


@pytest.fixture
def doubtful(shop, placed, twin) -> str:
    """A charge that Alipay made, and never answered."""
    twin.control("faults", swallow="1")
    told = shop.post(f"{placed}/payments", shown()).json()
    assert (told["state"], told["in_doubt"], told["refused"]) == ("created", True, False)
    return str(told["number"])


def test_a_charge_without_an_answer_is_in_doubt_until_alipay_is_asked(shop, placed, doubtful):
    assert code_of(shop.post(f"{placed}/payments", shown())) == "not_payable"
    Transaction.objects.update(close_due_at=database_now())
    close_due(limit=10)

    told = shop.get(f"payments/{doubtful}").json()
    assert (told["state"], told["in_doubt"], told["refunded_fen"]) == ("paid", False, 0)


def test_ending_a_doubtful_charge_has_alipay_give_back_what_it_took(shop, doubtful, twin):
    told = shop.post(f"payments/{doubtful}/close", {}).json()

    assert (told["state"], told["refunded_fen"], calls("cancel")) == ("paid", 88_80, ["done"])
    assert twin.site.alipay.book.trades[doubtful].refunded.fen == 88_80


# --- what each way asks for -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"scene": "jsapi"}, "/buyer_open_id"),
        ({**LI, **WANG}, "/buyer_open_id"),
        ({"scene": "jsapi", "buyer_open_id": "a b"}, "/buyer_open_id"),
        ({"scene": "jsapi", "buyer_id": "2088"}, "/buyer_id"),
        ({"scene": "qr", "buyer_id": "2088000000000001"}, "/buyer_id"),
        ({"scene": "app", "auth_code": "28000000000000000"}, "/auth_code"),
        ({"scene": "counter"}, "/auth_code"),
        ({"scene": "counter", "auth_code": "123"}, "/auth_code"),
        ({"scene": "counter", "auth_code": "280000000000000000", "terminal": "a/b"}, "/terminal"),
        ({"scene": "cash"}, "/scene"),
    ],
)
def test_what_a_way_to_pay_does_not_take_is_pointed_at(shop, placed, body, pointer):
    answer = shop.post(f"{placed}/payments", body)

    assert (answer.status_code, code_of(answer)) == (400, "wrong_fields")
    assert [each["pointer"] for each in answer.json()["errors"]] == [pointer]
    assert Transaction.objects.count() == 0
