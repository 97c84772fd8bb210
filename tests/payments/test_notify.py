"""The notice endpoint under attack and under trouble, over the whole request path. Rows N of the matrix."""

import urllib.parse
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from django.db import OperationalError
from django.test import Client

from payments import credentials, gateway
from payments.alipay.keys import load_private_key
from payments.models import Case, InboundMessage, Order, OutboxMessage, Transaction, Transfer
from payments.services import receive_notice as receiving

FORM = "application/x-www-form-urlencoded; charset=utf-8"
FORGER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
Post = Callable[..., tuple[int, bytes]]


@pytest.fixture
def post(client: Client) -> Post:
    def send(body: bytes, content_type: str = FORM, **more: Any) -> tuple[int, bytes]:
        response = client.post("/alipay/notify", body, content_type=content_type, **more)
        return response.status_code, response.content

    return send


OK, BAD = (200, b"success"), (400, b"fail")


def books() -> tuple[Any, ...]:
    """Everything about money that an attack must leave as it is."""
    return (
        list(Order.objects.order_by("id").values_list("id", "state", "paid_by")),
        list(Transaction.objects.order_by("id").values_list("id", "state", "trade_no", "version")),
        list(Transfer.objects.order_by("id").values_list("id", "fen")),
        OutboxMessage.objects.count(),
        Case.objects.count(),
    )


@pytest.fixture
def attacked(post: Post, says, unsettled) -> Any:
    """Send something refused, see that nothing changed, and that the honest notice still works afterwards."""

    def attack(body: bytes, *, expect: tuple[int, bytes] = BAD, **more: Any) -> None:
        before = books()

        assert post(body, **more) == expect
        assert books() == before
        assert post(says.notice(unsettled)) == OK
        unsettled.refresh_from_db()
        assert unsettled.state == Transaction.State.PAID

    return attack


def kinds() -> list[str]:
    return list(Case.objects.open().values_list("kind", flat=True))


def test_a_genuine_notice_is_answered_with_the_bare_word(client, says, order, unsettled):
    response = client.post("/alipay/notify", says.notice(unsettled), content_type=FORM)

    assert (response.status_code, response.content) == (200, b"success")
    assert response["Content-Type"] == "text/plain"
    order.refresh_from_db()
    assert order.state == Order.State.PAID
    message = InboundMessage.objects.get()
    assert (message.verdict, message.deliveries) == ("pays_order", 1)


def test_the_raw_message_is_kept_sealed(post, says, unsettled):
    body = says.notice(unsettled)
    post(body)

    assert InboundMessage.objects.get().body == body.decode()


@pytest.mark.rows("N01")
def test_no_signature(attacked, says, unsettled):
    attacked(says.body(says.fields(unsettled)))


@pytest.mark.rows("N02")
@pytest.mark.parametrize("signature", ["empty", "of another message"])
def test_a_signature_that_is_not_this_messages(attacked, says, unsettled, signature):
    fields = says.fields(unsettled)
    other = says.signed({**fields, "total_amount": "0.01"})["sign"]

    attacked(says.body({**fields, "sign": "" if signature == "empty" else other}))


@pytest.mark.rows("N03")
@pytest.mark.parametrize("signature", ["QUJD" * 85 + "QUI=", "QUJD", "A" * 60_000, "not base64", "=" * 344])
def test_a_signature_of_noise(attacked, says, unsettled, signature):
    attacked(says.body({**says.fields(unsettled), "sign": signature}))


@pytest.mark.rows("N03")
def test_a_signature_of_a_megabyte_is_not_even_read(attacked, says, unsettled):
    attacked(says.body({**says.fields(unsettled), "sign": "A" * 1_000_000}), expect=(413, b"fail"))


@pytest.mark.rows("N04")
def test_every_field_altered_after_signing(post, says, unsettled):
    genuine = says.signed(says.fields(unsettled))
    before = books()

    for name in genuine:
        if name != "sign":
            assert post(says.body({**genuine, name: genuine[name] + "1"})) == BAD, name
    assert books() == before
    assert post(says.body(genuine)) == OK


@pytest.mark.rows("N05")
def test_a_field_added_after_signing(attacked, says, unsettled):
    attacked(says.notice(unsettled) + b"&extra=1")


@pytest.mark.rows("N06")
def test_signed_with_an_attackers_key(attacked, says, unsettled):
    attacked(says.body(says.signed(says.fields(unsettled), key=FORGER)))


@pytest.mark.rows("N07")
def test_signed_with_our_own_application_key(attacked, says, unsettled, identity):
    ours = load_private_key((identity[1] / "app_private_key.pem").read_text())

    attacked(says.body(says.signed(says.fields(unsettled), key=ours)))


@pytest.mark.rows("N08")
@pytest.mark.parametrize("word", ["RSA", "MD5", "none", "rsa2", "", None])
def test_a_weaker_or_missing_sign_type(attacked, says, unsettled, word):
    attacked(says.body(says.signed(says.fields(unsettled, sign_type=word))))


@pytest.mark.rows("N09", "N10")
@pytest.mark.parametrize("amount", ["0.01", "88.81"])
def test_a_genuine_notice_over_another_amount_is_a_case(post, says, order, unsettled, amount):
    assert post(says.notice(unsettled, total_amount=amount)) == OK

    order.refresh_from_db()
    assert (order.state, kinds()) == (Order.State.AWAITING_PAYMENT, [Case.Kind.OTHER_AMOUNT])
    assert InboundMessage.objects.get().verdict == "case"


@pytest.mark.rows("N11")
def test_a_notice_for_another_application_is_a_case(post, says, order, unsettled):
    assert post(says.notice(unsettled, app_id="2021999999999999", auth_app_id="2021999999999999")) == OK

    order.refresh_from_db()
    assert (order.state, kinds()) == (Order.State.AWAITING_PAYMENT, [Case.Kind.OTHER_APP])


@pytest.mark.rows("N12")
@pytest.mark.parametrize("seller", ["2088999999999999", None])
def test_a_notice_for_another_seller_or_for_none_is_a_case(post, says, order, unsettled, seller):
    assert post(says.notice(unsettled, seller_id=seller)) == OK

    order.refresh_from_db()
    assert (order.state, kinds()) == (Order.State.AWAITING_PAYMENT, [Case.Kind.OTHER_SELLER])


@pytest.mark.rows("N13")
def test_a_number_we_never_made_is_a_case_and_no_order(post, says, unsettled):
    assert post(says.notice(unsettled, out_trade_no="20991231ORPHAN")) == OK

    assert kinds() == [Case.Kind.UNKNOWN_NUMBER]
    assert Order.objects.count() == 1


@pytest.mark.rows("N14")
def test_the_number_of_another_order_put_into_a_genuine_notice(attacked, says, unsettled, make_order, make_attempt):
    other = make_attempt(make_order(30_000))

    attacked(says.body({**says.signed(says.fields(unsettled)), "out_trade_no": other.out_trade_no}))


@pytest.mark.rows("N15")
@pytest.mark.parametrize("word", ["WAIT_BUYER_PAY", "TRADE_SOMETHING", "trade_success", None])
def test_a_status_that_is_not_paid_never_pays(post, says, order, unsettled, word):
    assert post(says.notice(unsettled, trade_status=word)) == OK

    order.refresh_from_db()
    assert (order.state, Transfer.objects.count()) == (Order.State.AWAITING_PAYMENT, 0)


@pytest.mark.rows("N16")
def test_a_replay_any_number_of_times_has_one_effect(post, says, unsettled):
    fields = says.fields(unsettled)
    first = says.body(says.signed(fields))
    assert post(first) == OK
    after_one = books()

    for minute in range(1000):
        resent = says.body(says.signed({**fields, "notify_time": f"2026-11-23 {minute // 60:02}:{minute % 60:02}:00"}))
        assert post(first if minute % 2 else resent) == OK
    assert books() == after_one
    assert InboundMessage.objects.get().deliveries == 1001


@pytest.mark.rows("N17")
def test_a_message_of_another_environment_does_not_verify_here(attacked, says, unsettled):
    """The sandbox signs with its own key, whatever its message says."""
    attacked(says.body(says.signed(says.fields(unsettled, app_id="9021000000000000"), key=FORGER)))


@pytest.mark.rows("N18")
@pytest.mark.parametrize("twice", [b"total_amount=88.80&%b&total_amount=0.01", b"%b&total_amount=88.80"])
def test_a_field_that_stands_twice(attacked, says, unsettled, twice):
    attacked(twice % says.notice(unsettled))


@pytest.mark.rows("N19")
def test_only_the_body_counts(attacked, says, unsettled, client):
    fields = says.signed(says.fields(unsettled))
    in_query = urllib.parse.urlencode({"out_trade_no": fields.pop("out_trade_no")})
    before = books()

    response = client.post(f"/alipay/notify?{in_query}", says.body(fields), content_type=FORM)

    assert (response.status_code, books()) == (400, before)


@pytest.mark.rows("N20")
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_only_post_is_a_notice(client, says, unsettled, method):
    response = client.generic(method, "/alipay/notify", says.notice(unsettled), content_type=FORM)

    assert (response.status_code, response["Allow"]) == (405, "POST")
    assert Transfer.objects.count() == 0


@pytest.mark.rows("N21")
@pytest.mark.parametrize(
    "content_type", ["application/json", "text/xml", "multipart/form-data; boundary=x", "text/plain", ""]
)
def test_only_a_form_is_a_notice(attacked, content_type):
    attacked(b'{"trade_status":"TRADE_SUCCESS"}', expect=(415, b"fail"), content_type=content_type)


@pytest.mark.rows("N24")
@pytest.mark.parametrize(
    "amount",
    ["1e2", "-88.80", "88.801", " 88.80", "88,80", "NaN", "Infinity", "999999999999.99", "８８.80", "088.80", ""],
)
def test_an_amount_that_is_none_is_a_case(post, says, order, unsettled, amount):
    assert post(says.notice(unsettled, total_amount=amount)) == OK

    order.refresh_from_db()
    assert (order.state, kinds()) == (Order.State.AWAITING_PAYMENT, [Case.Kind.UNREADABLE])
    assert Case.objects.get().facts["total_amount"] == amount


@pytest.mark.rows("N24")
@pytest.mark.parametrize("number", ["", " ", "2" * 65, "２０２６", "2026 1"])
def test_a_trade_number_that_is_none_is_a_case(post, says, order, unsettled, number):
    assert post(says.notice(unsettled, trade_no=number)) == OK

    unsettled.refresh_from_db()
    assert (unsettled.state, kinds()) == (Transaction.State.PRESENTED, [Case.Kind.UNREADABLE])


@pytest.mark.rows("N24")
@pytest.mark.parametrize("when", ["", "0001-01-01 00:00:00", "9999-12-31 23:59:59", "2026-13-45 00:00:00", "yesterday"])
def test_a_time_of_payment_that_is_none_is_the_time_we_heard_of_it(post, says, unsettled, when):
    assert post(says.notice(unsettled, gmt_payment=when)) == OK

    unsettled.refresh_from_db()
    assert unsettled.paid_at == unsettled.settled_at


@pytest.mark.rows("N24")
def test_a_refund_under_a_number_too_long_to_ask_about_is_a_case(post, says, unsettled):
    assert post(says.notice(unsettled, refund_fee="1.00", out_biz_no="x" * 65)) == OK

    assert kinds() == [Case.Kind.REFUND_NOTICE]
    assert not OutboxMessage.objects.exists()


@pytest.mark.rows("N24")
def test_whole_yuan_without_decimals_are_the_amount_they_say(post, says, make_order, make_attempt, merchant):
    attempt = make_attempt(make_order(10_000))

    assert post(says.notice(attempt, total_amount="100")) == OK
    attempt.refresh_from_db()
    assert attempt.state == Transaction.State.PAID


@pytest.mark.rows("N25")
@pytest.mark.parametrize(
    "number", ["'; DROP TABLE payments_order; --", "%s%n", "{{7*7}}", "A" * 300, "*", "\u202e", "A\r\nB"]
)
def test_a_number_full_of_tricks_is_only_a_number(post, says, unsettled, number):
    assert post(says.notice(unsettled, out_trade_no=number)) == OK

    assert kinds() == [Case.Kind.UNKNOWN_NUMBER]


@pytest.mark.parametrize(
    "fields", [{"refund_fee": "88.80"}, {"gmt_refund": "2026-11-23 10:00:00.123"}, {"out_biz_no": "R1"}]
)
def test_a_notice_about_a_refund_never_pays(post, says, order, unsettled, fields):
    body = says.notice(unsettled, **fields)

    assert (post(body), post(body)) == (OK, OK)

    order.refresh_from_db()
    assert (order.state, kinds(), Transfer.objects.count()) == (Order.State.AWAITING_PAYMENT, [], 0)
    assert OutboxMessage.objects.get().topic == "refund.heard"


def test_a_notice_in_gbk_is_understood(post, says, unsettled):
    assert post(says.notice(unsettled, charset="GBK")) == OK
    unsettled.refresh_from_db()
    assert unsettled.state == Transaction.State.PAID


@pytest.mark.parametrize("trouble", [OperationalError("the server closed the connection")])
def test_when_the_database_cannot_say_alipay_is_asked_to_repeat(client, says, unsettled, monkeypatch, trouble):
    def fail(*_: Any, **__: Any) -> None:
        raise trouble

    body = says.notice(unsettled)
    with monkeypatch.context() as patched:
        patched.setattr("payments.services.settle.apply_facts", fail)
        response = client.post("/alipay/notify", body, content_type=FORM)

    assert (response.status_code, response.content) == (503, b"fail")
    assert client.post("/alipay/notify", body, content_type=FORM).content == b"success"


def test_a_refused_message_leaves_a_trace_with_its_reason(post, says, unsettled):
    post(says.body(says.fields(unsettled)))

    kept = InboundMessage.objects.get()
    assert (kept.verdict, kept.reason) == ("refused", "BadSignature: the signature does not fit")


@pytest.mark.rows("N27")
def test_of_a_flood_of_forgeries_a_few_are_kept_and_logged_and_the_rest_is_counted(db, post, monkeypatch):
    logged = []
    monkeypatch.setattr(receiving.logger, "warning", lambda event, **facts: logged.append((event, facts["left_out"])))
    for _ in range(50):
        assert post(b"a=1") == BAD
    assert InboundMessage.objects.count() == len(logged) == 10

    receiving._kept.minute -= 1  # the next minute
    post(b"a=1")

    assert logged[10:] == [("notice_refused", 40)]
    assert InboundMessage.objects.latest("pk").reason.endswith("(40 more were not kept)")


def test_a_fault_of_our_own_leaves_a_trace_and_the_repeat_settles(client, says, unsettled, monkeypatch):
    body = says.notice(unsettled)
    client.raise_request_exception = False
    with monkeypatch.context() as broken:
        broken.setattr(receiving, "facts_of", lambda notice: 1 / 0)
        assert client.post("/alipay/notify", body, content_type=FORM).status_code == 500

    kept = InboundMessage.objects.get()
    assert (kept.verdict, kept.out_trade_no, kept.body) == ("crashed", unsettled.out_trade_no, body.decode())
    assert client.post("/alipay/notify", body, content_type=FORM).content == b"success"


def test_the_notice_needs_no_session_and_no_csrf_token(says, unsettled):
    strict = Client(enforce_csrf_checks=True)

    response = strict.post("/alipay/notify", says.notice(unsettled), content_type=FORM)

    assert response.status_code == 200
    assert not response.cookies


@pytest.mark.parametrize("suffix", ["", "?x=1"])
def test_the_notice_is_never_redirected(client, says, unsettled, suffix, settings):
    settings.SECURE_SSL_REDIRECT = True

    assert client.post(f"/alipay/notify{suffix}", says.notice(unsettled), content_type=FORM).status_code == 200


def test_keys_are_parsed_once_however_many_notices_come(client, says, merchant, make_order, make_attempt, monkeypatch):
    parsed: list[str] = []
    for kind, load in credentials.READERS.items():

        def counted(text: str, load: Callable[[str], object] = load) -> object:
            parsed.append(text)
            return load(text)

        monkeypatch.setitem(credentials.READERS, kind, counted)

    for _ in range(20):
        gateway.merchants(refresh=True)
        assert (
            client.post("/alipay/notify", says.notice(make_attempt(make_order())), content_type=FORM).status_code == 200
        )

    assert len(parsed) == 2
