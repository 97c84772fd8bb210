import io
import json

import pytest
from django.core.management import CommandError, call_command

from payments.models import AlipayKey, MerchantAccount, Order, Transaction


def run(*words: str, **options) -> str:
    out = io.StringIO()
    call_command(*words, stdout=out, **options)
    return out.getvalue()


def request(*words: str) -> dict:
    return json.loads(run("request_payment", "--amount", "88.80", "--subject", "明前龙井", "--json", *words))


def test_a_qr_payment_prints_number_page_and_code(connected):
    facts = request()

    order = Order.objects.get()
    assert facts["order_number"] == order.number
    assert facts["out_trade_no"] == order.transactions.get().out_trade_no
    assert facts["page_url"] == facts["pay_url"] == f"https://shop.example/pay/{order.token}/"
    assert facts["qr_code"].startswith("http")


@pytest.mark.parametrize("scene", ["page", "wap"])
def test_a_page_payment_prints_an_address_a_buyer_can_pay_at(connected, twin, scene):
    facts = request("--scene", scene)

    assert twin.control("pay", url=facts["pay_url"])["out_trade_no"] == facts["out_trade_no"]


def test_the_same_key_is_the_same_order(connected):
    assert request("--key", "k")["order_number"] == request("--key", "k")["order_number"]


@pytest.mark.parametrize("amount", ["", "1e2", "0", "-1", "88.801", "abc"])
def test_an_amount_that_is_none_is_refused_in_words(connected, amount):
    with pytest.raises(CommandError):
        run("request_payment", "--amount", amount, "--subject", "x")
    assert Order.objects.count() == 0


def test_without_an_account_the_command_that_mends_it_is_named(db):
    with pytest.raises(CommandError, match="connect_alipay"):
        request()


def test_people_get_lines_and_programs_get_json(connected):
    assert "page      https://shop.example/pay/" in run("request_payment", "--amount", "1", "--subject", "x")


@pytest.mark.parametrize("by", ["number", "out_trade_no", "trade_no"])
def test_explain_finds_the_order_by_any_of_its_numbers(order, unsettled, says, client, by):
    client.post("/alipay/notify", says.notice(unsettled), content_type="application/x-www-form-urlencoded")
    unsettled.refresh_from_db()
    wanted = {"number": order.number, "out_trade_no": unsettled.out_trade_no, "trade_no": unsettled.trade_no}[by]

    found = json.loads(run("explain", wanted, "--json"))

    assert found["order"] == {
        "number": order.number, "state": "paid", "total_fen": 8880, "paid_fen": 8880, "refunded_fen": 0,
    }  # fmt: skip
    assert found["settled_count"] == 1
    assert found["inbound"] == {"pays_order": 1}
    assert [(row["debit"], row["credit"], row["fen"]) for row in found["ledger"]] == [
        ("alipay_receivable", "sales", 8880)
    ]
    assert found["transactions"][0]["trade_no"] == unsettled.trade_no
    assert (found["refunds"], found["open_cases"]) == ([], [])
    assert [step["action"] for step in found["story"]] == ["placed", "created", "presented", "paid", "paid"]


def test_explain_names_open_cases(order, unsettled, says, client):
    client.post(
        "/alipay/notify", says.notice(unsettled, total_amount="0.01"), content_type="application/x-www-form-urlencoded"
    )

    assert [case["kind"] for case in json.loads(run("explain", order.number, "--json"))["open_cases"]] == [
        "other_amount"
    ]
    assert "open case: other_amount" in run("explain", order.number)


@pytest.mark.parametrize("by", ["out_trade_no", "trade_no"])
def test_explain_finds_a_payment_of_no_order(unsettled, says, client, by):
    body = says.notice(unsettled, out_trade_no="SHOP2_1", trade_no=says.trade_no())
    client.post("/alipay/notify", body, content_type="application/x-www-form-urlencoded")
    stray = Transaction.objects.get(origin="stray")
    wanted = {"out_trade_no": "SHOP2_1", "trade_no": str(stray.trade_no)}[by]

    found = json.loads(run("explain", wanted, "--json"))

    assert (found["order"], found["inbound"]) == (None, {"case": 1})
    assert [each["trade_no"] for each in found["transactions"]] == [stray.trade_no]
    assert [(row["credit"], row["fen"]) for row in found["ledger"]] == [("money_in_cases", 8880)]
    assert [case["kind"] for case in found["open_cases"]] == ["unknown_number"]
    assert [step["action"] for step in found["story"]] == ["paid"]
    assert f"payment of no order, trade {stray.trade_no}, number SHOP2_1: ¥88.80" in run("explain", wanted)


def test_explain_says_when_nothing_has_the_number(db):
    with pytest.raises(CommandError, match="no order and no payment has the number"):
        run("explain", "1234")


@pytest.fixture
def folder(identity):
    return identity[1]


def connect(folder, **options) -> str:
    return run("connect_alipay", **{"gateway": "sandbox", "name": "茶铺", "folder": folder, **options})


def test_connecting_takes_numbers_and_keys_as_one_set(db, folder, identity):
    assert "connected" in connect(folder)

    account = MerchantAccount.objects.get()
    assert (account.app_id, account.seller_id) == (identity[0].app_id, identity[0].seller_id)
    assert account.gateway_url == "https://openapi-sandbox.dl.alipaydev.com/gateway.do"
    assert sorted(AlipayKey.objects.values_list("kind", flat=True)) == ["alipay_public", "app_private"]


@pytest.mark.parametrize(
    "address", ["prodution", "http://openapi.alipay.com/gateway.do", "ftp://127.0.0.1/", "https://"]
)
def test_a_gateway_that_is_no_safe_address_is_refused(db, folder, address):
    with pytest.raises(CommandError, match="no https address"):
        connect(folder, gateway=address)

    assert MerchantAccount.objects.count() == 0


def test_an_application_is_never_of_sandbox_and_production(db, folder):
    connect(folder)

    with pytest.raises(CommandError, match="of its own"):
        connect(folder, gateway="production")

    assert "sandbox" in MerchantAccount.objects.get().gateway_url


def test_connecting_again_changes_what_is_new_and_doubles_nothing(db, folder):
    connect(folder)
    connect(folder)

    assert (MerchantAccount.objects.count(), AlipayKey.objects.count()) == (1, 2)


def test_a_rotated_key_is_added_and_the_old_one_stays_valid(
    merchant, folder, tmp_path, says, make_order, make_attempt, client
):
    import random  # noqa: PLC0415

    from payments.sandbox.identity import identity_in  # noqa: PLC0415  # for a second pair

    newer = identity_in(tmp_path, random.Random(9))
    connect(folder, alipay_public_key=tmp_path / "alipay_public_key.pem")

    for key in (says.who.alipay_key, newer.alipay_key):
        attempt = make_attempt(make_order())
        body = says.body(says.signed(says.fields(attempt), key=key))
        assert (
            client.post("/alipay/notify", body, content_type="application/x-www-form-urlencoded").content == b"success"
        )
    assert Transaction.objects.filter(state="paid").count() == 2


@pytest.mark.rows("F71")
def test_the_commonest_mix_up_of_keys_is_named(db, folder):
    with pytest.raises(CommandError, match="own public key"):
        connect(folder, alipay_public_key=folder / "app_public_key.pem")
    assert not MerchantAccount.objects.exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"app_private_key": "nowhere.pem"}, "can't be read"),
        ({"app_private_key": "app_id"}, "not an RSA private key|neither PEM"),
    ],
)
def test_a_file_that_is_no_key_is_named_and_not_shown(db, folder, options, says):
    with pytest.raises(CommandError, match=says):
        connect(folder, **{name: folder / value for name, value in options.items()})


def test_a_new_seal_key_fits_its_setting(settings):
    from payments.fields import seal, unseal  # noqa: PLC0415  # beside its use

    settings.SEAL_KEYS = run("new_seal_key").strip()

    assert unseal(seal(b"x", place="p"), place="p") == b"x"
