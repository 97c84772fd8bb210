"""The paying page without a browser: what each door answers. Rows R of the matrix."""

import json
import re
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.urls import reverse

from payments.drawing import draw_svg
from payments.models import Case, GatewayCall, InboundMessage, Order, OutboxMessage, Transaction, Transfer
from payments.models.clock import database_now
from payments.queries.paying import PayState, paying
from payments.sandbox.notices import signed_return
from payments.services.record_payment import record_payment
from payments.services.relay_outbox import relay_outbox
from payments.services.start_payment import start_payment

State, Scene = Transaction.State, Transaction.Scene


def url(order: Order, name: str = "pay", *more: str) -> str:
    return reverse(f"payments:{name}", args=[order.token, *more])


def text(client: Client, order: Order, language: str = "en") -> str:
    return client.get(url(order), headers={"Accept-Language": language}).content.decode()


# --- the page -------------------------------------------------------------------------------------------------------


def test_the_page_shows_amount_subject_and_code(client, order, unsettled):
    page = text(client, order)

    assert "¥88.80" in page
    assert "明前龙井" in page
    assert draw_svg(unsettled.qr_code) in page
    assert "Scan with Alipay to pay" in page


def test_the_page_speaks_the_readers_language(client, order, unsettled):
    page = text(client, order, "zh-CN")

    assert 'lang="zh-Hans"' in page
    assert "打开支付宝，扫一扫付款" in page


def test_an_unknown_token_is_a_page_that_was_not_found(client, db):
    response = client.get(reverse("payments:pay", args=["nothing"]))

    assert response.status_code == 404
    assert client.get(reverse("payments:status", args=["nothing"])).status_code == 404


@pytest.mark.rows("O04", "O07", "O08")
@pytest.mark.parametrize("name", ["pay", "state", "picture"])
def test_the_page_is_for_the_holder_of_its_link_alone(client, order, unsettled, name):
    response = client.get(url(order, name))

    assert response.status_code == 200
    assert response["Cache-Control"] == "no-store"
    assert response["Referrer-Policy"].startswith("no-referrer")
    assert response["X-Robots-Tag"] == "noindex"
    assert response["X-Frame-Options"] == "DENY"


def test_the_page_allows_scripts_and_styles_of_ours_only(client, order, unsettled):
    policy = client.get(url(order))["Content-Security-Policy"]

    assert "script-src 'self'" in policy
    assert "'unsafe" not in policy
    assert "frame-ancestors 'none'" in policy


@pytest.mark.rows("O07")
def test_the_code_comes_from_the_stored_payment_alone(client, order, unsettled):
    page = client.get(url(order) + "?qr_code=https://evil.example&code=1").content.decode()

    assert page.count("<svg") == 1
    assert draw_svg(unsettled.qr_code) in page


@pytest.mark.rows("R06")
def test_what_a_merchant_or_buyer_wrote_is_shown_and_not_run(client, merchant, make_order, make_attempt):
    order = make_order(title='<script>alert("1")</script>')
    make_attempt(order)

    page = text(client, order)
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.rows("O09")
def test_addresses_given_to_alipay_come_from_settings(connected, make_order, twin, settings):
    client = Client(headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"})
    order = make_order()

    assert client.post(url(order, "start", "qr")).status_code == 400

    Client().post(url(order, "start", "qr"))
    (trade,) = twin.site.alipay.book.trades.values()
    assert trade.notify_url == "https://shop.example/alipay/notify"


def test_a_page_costs_few_statements(client, order, unsettled, django_assert_max_num_queries):
    with django_assert_max_num_queries(3):
        client.get(url(order))


# --- status ---------------------------------------------------------------------------------------------------------


def test_the_status_is_small_and_costs_one_read(client, order, unsettled, django_assert_num_queries):
    with django_assert_num_queries(1):
        response = client.get(url(order, "status"))

    assert len(response.content) <= 200
    told = json.loads(response.content)
    assert (told["state"], told["next"]) == ("waiting", 1000)
    assert 800 <= told["left"] <= 900


def test_an_open_page_has_alipay_asked_every_few_seconds_and_writes_no_more_than_that(
    client, order, unsettled, django_assert_num_queries, clocks
):
    clocks(watch_s=5)
    earlier = database_now() - timedelta(seconds=6)
    Transaction.objects.update(created_at=earlier)

    with django_assert_num_queries(2):
        client.get(url(order, "status"))
    unsettled.refresh_from_db()
    assert unsettled.next_check_at <= database_now()
    with django_assert_num_queries(1):
        client.get(url(order, "status"))


def test_version_and_words_change_together(client, order, unsettled, says):
    before = json.loads(client.get(url(order, "status")).content)["version"]
    assert json.loads(client.get(url(order, "status")).content)["version"] == before

    client.post("/alipay/notify", says.notice(unsettled), content_type="application/x-www-form-urlencoded")

    told = json.loads(client.get(url(order, "status")).content)
    assert told["version"] != before
    assert told["next"] == 0
    block = client.get(url(order, "state"))
    assert block["X-Version"] == told["version"]


# --- every state, reached by facts ----------------------------------------------------------------------------------


def state_after(order: Order, **changes) -> PayState:
    """What the page says after these changes to the attempt, counted in seconds from now."""
    now = database_now()
    moments = {
        name: now + timedelta(seconds=value)
        if isinstance(value, int | float) and name.endswith(("_at", "expire"))
        else value
        for name, value in changes.items()
    }
    over = moments.pop("expires_at", None)
    if over is not None:
        Order.objects.update(expires_at=over)
    if moments:
        Transaction.objects.update(**moments)
    seen = paying(order.token)
    assert seen is not None
    return seen.state


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, PayState.WAITING),
        ({"state": State.CREATED, "qr_code": ""}, PayState.PREPARING),
        ({"state": State.CREATED, "qr_code": "", "in_doubt": True}, PayState.PREPARING),
        ({"state": State.CREATED, "qr_code": "", "in_doubt": True, "created_at": -11}, PayState.IN_DOUBT),
        ({"scanned_at": -5}, PayState.SCANNED),
        ({"wanted_at": -2}, PayState.CHECKING),
        ({"wanted_at": -2, "heard_at": -30, "heard_status": "absent"}, PayState.CHECKING),
        ({"wanted_at": -2, "heard_at": -1, "heard_status": "absent"}, PayState.NOT_SEEN),
        ({"wanted_at": -2, "heard_at": -1, "scanned_at": -9}, PayState.SCANNED),
        ({"wanted_at": -11}, PayState.IN_DOUBT),
        ({"in_doubt": True}, PayState.IN_DOUBT),
        ({"expires_at": -2, "time_expire": -2}, PayState.CHECKING),
        ({"expires_at": -5, "time_expire": -5, "heard_at": -1}, PayState.EXPIRED),
        ({"expires_at": -30, "time_expire": -30, "heard_at": -60}, PayState.IN_DOUBT),
        ({"time_expire": -5, "heard_at": -1}, PayState.EXPIRED),
        ({"state": State.CLOSED}, PayState.EXPIRED),
        ({"state": State.CLOSED, "refused": True}, PayState.REFUSED),
        ({"superseded": True}, PayState.CHOOSING),
    ],
)
def test_each_state_follows_from_facts(client, order, make_attempt, changes, state):
    make_attempt(order, **{name: changes[name] for name in ("state", "qr_code") if name in changes})

    assert state_after(order, **changes) == state
    assert f'data-state="{state}"' in text(client, order)


def test_paid_late_paid_twice_and_closed_are_told_apart(client, order, unsettled, make_attempt, says):
    def hear(attempt: Transaction) -> None:
        client.post("/alipay/notify", says.notice(attempt), content_type="application/x-www-form-urlencoded")

    other = make_attempt(order, superseded=True)
    hear(unsettled)
    assert state_after(order) == PayState.PAID
    hear(other)
    assert state_after(order) == PayState.PAID_TWICE


def test_closed_and_paid_after_closing(client, order, unsettled, says):
    Transaction.objects.update(state=State.CLOSED)
    Order.objects.update(state=Order.State.CLOSED, closed_at=database_now(), cancelled_at=database_now())
    assert state_after(order) == PayState.CANCELLED
    assert "This order was cancelled; please don't scan" in text(client, order)
    Order.objects.update(cancelled_at=None)
    assert state_after(order) == PayState.CLOSED

    client.post("/alipay/notify", says.notice(unsettled), content_type="application/x-www-form-urlencoded")
    assert state_after(order) == PayState.PAID_LATE


UNCERTAIN = [
    PayState.PREPARING,
    PayState.CHECKING,
    PayState.IN_DOUBT,
    PayState.PAID,
    PayState.CLOSED,
    PayState.PAID_LATE,
]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("40004 BUYER_BALANCE_NOT_ENOUGH", "Balance too low."),
        ("40004 BUYER_PAYMENT_AMOUNT_DAY_LIMIT_ERROR", "Over your limit."),
        ("40004 PAYMENT_REQUEST_HAS_RISK", "Alipay held it back for safety"),
        ("40004 BUYER_NOT_EXIST", "Please try once more"),
    ],
)
def test_a_certain_no_says_why_and_offers_another_try(client, order, unsettled, code, words):
    GatewayCall.objects.create(
        account=order.account,
        transaction=unsettled,
        method="x",
        purpose="precreate",
        outcome="certainly_not",
        code=code,
    )
    Transaction.objects.update(state=State.CLOSED, refused=True)

    page = text(client, order)
    assert "This did not go through; nothing was charged" in page
    assert words in page
    assert "Pay once more" in page


NOT_SENT = {"method": "x", "purpose": "precreate", "outcome": "certainly_not", "code": "NOT_SENT"}


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "en",
            (
                "Alipay can't be reached just now",
                "nothing was charged",
                "Try again",
                "Sign in to Alipay on the web",
            ),
        ),
        ("zh-CN", ("暂时连不上支付宝", "没有扣款", "再试一次", "在网页上登录支付宝付款")),
    ],
)
def test_when_alipay_cannot_be_reached_the_page_says_so_and_offers_another_way(
    client, order, make_attempt, language, words
):
    attempt = make_attempt(order, state=State.CREATED, qr_code="")
    GatewayCall.objects.create(account=order.account, transaction=attempt, **NOT_SENT)

    assert state_after(order) == PayState.UNREACHABLE
    page = text(client, order, language)
    assert all(each in page for each in words)


def test_what_may_have_been_sent_is_never_called_unreachable(order, make_attempt):
    attempt = make_attempt(order, state=State.CREATED, qr_code="")
    GatewayCall.objects.create(account=order.account, transaction=attempt, **NOT_SENT)

    assert state_after(order, in_doubt=True) == PayState.PREPARING
    assert state_after(order, in_doubt=True, created_at=-11) == PayState.IN_DOUBT


def test_a_code_that_takes_long_leaves_another_way_open(client, order, make_attempt):
    make_attempt(order, state=State.CREATED, qr_code="")
    assert "/start/" not in text(client, order)

    assert state_after(order, created_at=-5) == PayState.PREPARING
    page = text(client, order)
    assert "A little slower than usual" in page
    assert url(order, "start", "page") in page
    assert url(order, "start", "qr") not in page


def test_the_page_of_an_order_that_was_paid_in_cash_says_it_was_paid_elsewhere(client, order):
    record_payment(order, way=Scene.CASH, reference="slip 7", actor="staff:1")

    page = text(client, order)
    assert "Already paid elsewhere" in page
    assert "¥88.80 was paid to the shop directly" in page
    assert "订单已在别处付款" in text(client, order, "zh-CN")


def test_the_page_of_an_order_that_an_earlier_code_paid_says_so(client, order, make_attempt, says):
    earlier = make_attempt(order, superseded=True)
    make_attempt(order, out_trade_no="20261123FEDCBA9876543210")
    client.post("/alipay/notify", says.notice(earlier), content_type="application/x-www-form-urlencoded")

    assert "was paid with an earlier code" in text(client, order)


def test_paid_by_what_the_page_offered_is_plainly_paid(client, order, unsettled, says):
    client.post("/alipay/notify", says.notice(unsettled), content_type="application/x-www-form-urlencoded")

    assert "elsewhere" not in text(client, order)


def test_doubt_says_until_when_we_ask_and_then_by_when_a_person_writes(client, merchant, make_order, make_attempt):
    order = make_order(contact_email="lin@example.com")
    attempt = make_attempt(order, in_doubt=True)

    page = text(client, order)
    assert "keep your order, until" in page
    assert "The result goes to l***@example.com." in page

    Transaction.objects.update(time_expire=attempt.created_at - timedelta(seconds=60 * 60 + 121))
    page = text(client, order)
    assert re.search(r"A colleague is on it and writes to you by \d+ \w+, 12:00", page)
    assert "/start/" not in page


@pytest.mark.parametrize(
    "changes", [{"in_doubt": True}, {"wanted_at": -2}, {"wanted_at": -60}, {"state": State.CREATED}]
)
def test_while_the_result_is_open_no_way_to_pay_stands_beside_it(client, order, make_attempt, changes):
    make_attempt(order, **{name: changes[name] for name in ("state",) if name in changes})

    assert state_after(order, **changes) in UNCERTAIN

    page = text(client, order)
    assert "/start/" not in page
    assert 'role="img"' not in page


def test_the_words_never_say_failed(client, order, unsettled):
    for changes in (
        {},
        {"scanned_at": -5},
        {"wanted_at": -2},
        {"in_doubt": True},
        {"expires_at": -9, "time_expire": -9},
    ):
        state_after(order, **changes)
        assert "失败" not in text(client, order, "zh-CN")
        assert "failed" not in text(client, order).lower()


# --- buttons --------------------------------------------------------------------------------------------------------


@pytest.fixture
def shop_order(connected, make_order) -> Order:
    return make_order()


def test_i_have_paid_asks_alipay_at_once(client, shop_order, twin):
    attempt = start_payment(shop_order, scene=Scene.QR, actor="test")
    twin.control("pay", out_trade_no=attempt.out_trade_no)

    response = client.post(url(shop_order, "check"))

    assert (response.status_code, response["Location"]) == (303, url(shop_order) + "#now")
    assert "Paid ¥88.80" in text(client, shop_order)


def test_i_have_paid_without_having_paid_says_what_alipay_said(client, shop_order):
    start_payment(shop_order, scene=Scene.QR, actor="test")

    client.post(url(shop_order, "check"))

    assert "Alipay has not seen this payment yet" in text(client, shop_order)


def test_pressing_it_again_and_again_asks_alipay_once(client, shop_order):
    start_payment(shop_order, scene=Scene.QR, actor="test")

    for _ in range(5):
        client.post(url(shop_order, "check"))
        assert "Alipay has not seen this payment yet" in text(client, shop_order)

    assert GatewayCall.objects.filter(purpose="query").count() == 1


@pytest.mark.parametrize("scene", ["page", "wap"])
def test_paying_at_alipay_happens_in_the_same_tab(client, shop_order, scene, connected):
    response = client.post(url(shop_order, "start", scene))

    assert response.status_code == 303
    assert response["Location"].startswith(connected.gateway_url + "?")


def test_the_code_leaves_the_page_when_another_way_is_taken(client, shop_order):
    start_payment(shop_order, scene=Scene.QR, actor="test")
    client.post(url(shop_order, "start", "page"))

    assert 'role="img"' not in text(client, shop_order)


def test_a_button_that_is_not_offered_any_more_brings_the_page_with_its_reason(client, order, unsettled, says):
    client.post("/alipay/notify", says.notice(unsettled), content_type="application/x-www-form-urlencoded")

    response = client.post(url(order, "start", "page"), follow=True)

    assert "已付款" in response.content.decode()


@pytest.mark.parametrize(("name", "more"), [("check", []), ("start", ["qr"])])
def test_buttons_are_no_links_and_need_our_own_form(client, order, name, more):
    assert client.get(url(order, name, *more)).status_code == 405

    refused = Client(enforce_csrf_checks=True).post(url(order, name, *more))
    assert refused.status_code == 403
    assert "请再点一次" in refused.content.decode()


def test_an_unknown_way_to_pay_does_not_exist(client, order):
    assert client.post(f"/pay/{order.token}/start/cash").status_code == 404


def test_the_picture_to_save_is_a_png_of_a_good_size(client, order, unsettled):
    picture = client.get(url(order, "picture")).content

    assert picture.startswith(b"\x89PNG")
    assert int.from_bytes(picture[16:20], "big") >= 600


def test_there_is_no_picture_of_a_code_that_is_not_shown(client, order, unsettled):
    Transaction.objects.update(in_doubt=True)

    assert client.get(url(order, "picture")).status_code == 404


def test_the_code_is_whole_pixels_black_on_white_with_its_margin():
    svg = draw_svg("https://qr.alipay.com/bax03206ug0kulveltqc80a8")

    size = int(svg.split('width="')[1].split('"')[0])
    assert size >= 280
    assert 'stroke="#000"' in svg
    assert 'fill="#fff"' in svg


# --- the return -----------------------------------------------------------------------------------------------------


def come_back(client: Client, order: Order, params: dict[str, str] | None = None):
    return client.get(url(order, "return") + (f"?{urlencode(params)}" if params else ""))


@pytest.mark.rows("R01")
def test_opening_the_return_address_pays_nothing(client, order, unsettled):
    response = come_back(client, order)

    assert (response.status_code, response["Location"]) == (303, url(order)), "and what it carried is gone"
    order.refresh_from_db()
    assert (order.state, Transfer.objects.count()) == (Order.State.AWAITING_PAYMENT, 0)
    assert "Checking with Alipay" in text(client, order)


@pytest.mark.rows("R02")
def test_a_genuine_return_of_a_cheap_order_does_nothing_for_a_dear_one(client, shop_order, make_order, twin):
    cheap = make_order(1)
    attempt = start_payment(cheap, scene=Scene.PAGE, actor="test")
    dear = start_payment(shop_order, scene=Scene.PAGE, actor="test")
    trade = twin.site.alipay.book.trades
    client.get("/")
    from payments.services.attempt_requests import pay_address  # noqa: PLC0415  # beside its use

    twin.control("pay", url=pay_address(attempt))
    genuine = signed_return(twin.site.alipay, trade[attempt.out_trade_no], database_now())

    come_back(client, shop_order, genuine)
    come_back(client, shop_order, {**genuine, "out_trade_no": dear.out_trade_no})

    shop_order.refresh_from_db()
    assert shop_order.state == Order.State.AWAITING_PAYMENT


@pytest.mark.rows("R03")
def test_the_return_in_another_browser_shows_no_personal_detail(client, merchant, make_order, make_attempt):
    order = make_order(contact_email="lin.wei@example.com")
    make_attempt(order)

    page = Client().get(url(order, "return"), follow=True).content.decode()

    assert "lin.wei" not in page


@pytest.mark.rows("R04")
def test_a_genuine_return_is_kept_and_believed_only_by_asking(client, shop_order, twin):
    attempt = start_payment(shop_order, scene=Scene.PAGE, actor="test")
    from payments.services.attempt_requests import pay_address  # noqa: PLC0415  # beside its use

    twin.control("scan", url=pay_address(attempt))
    unpaid = signed_return(twin.site.alipay, twin.site.alipay.book.trades[attempt.out_trade_no], database_now())

    for _ in range(3):
        come_back(client, shop_order, unpaid)

    shop_order.refresh_from_db()
    assert shop_order.state == Order.State.AWAITING_PAYMENT
    kept = InboundMessage.objects.get()
    assert (kept.kind, kept.verdict) == ("return", "asked")
    assert Case.objects.count() == 0


@pytest.mark.rows("R04", "F45")
def test_a_genuine_return_about_what_is_closed_here_is_asked_about_until_alipay_answers(client, shop_order, twin):
    """The closer was told something old, and no notice comes: the buyer who returns is all there is before the bill."""
    attempt = start_payment(shop_order, scene=Scene.PAGE, actor="test")
    from payments.services.attempt_requests import pay_address  # noqa: PLC0415  # beside its use

    twin.control("scan", url=pay_address(attempt))
    twin.control("pay", out_trade_no=attempt.out_trade_no)
    genuine = signed_return(twin.site.alipay, twin.site.alipay.book.trades[attempt.out_trade_no], database_now())
    come_back(client, shop_order, genuine)
    assert not OutboxMessage.objects.filter(topic="return.heard").exists()  # open: the poller asks
    Transaction.objects.filter(pk=attempt.pk).update(
        state="closed", closed_at=database_now(), next_check_at=None, close_due_at=None
    )

    for _ in range(2):
        come_back(client, shop_order, genuine)
    assert OutboxMessage.objects.filter(topic="return.heard").count() == 1
    twin.control("faults", http_500="9")
    relay_outbox(limit=10)
    assert OutboxMessage.objects.get(topic="return.heard").delivered_at is None, "no certain answer: it comes again"
    twin.control("faults", http_500="0")
    OutboxMessage.objects.update(due_at=database_now())
    relay_outbox(limit=10)

    attempt.refresh_from_db()
    assert (attempt.state, attempt.late) == (Transaction.State.PAID, True)


@pytest.mark.rows("R05")
@pytest.mark.parametrize("name", ["next", "return_url", "goto", "url"])
@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "https:evil.example",
        "/\\evil.example",
    ],
)
def test_nothing_leads_to_another_site(client, order, unsettled, name, target):
    for response in (
        come_back(client, order, {name: target}),
        client.post("/i18n/setlang/", {"language": "en", name: target}),
        client.get(f"/admin/login/?{urlencode({name: target})}"),
    ):
        assert "evil" not in response.get("Location", "")
        assert not response.get("Location", "").startswith("javascript")


@pytest.mark.rows("R07")
def test_coming_back_hundreds_of_times_makes_us_ask_once(client, order, unsettled, clocks):
    clocks(ask_again_s=300)  # longer than the visits take on a busy machine
    come_back(client, order)
    Transaction.objects.update(asked_at=database_now(), next_check_at=database_now() + timedelta(minutes=1))
    before = Transaction.objects.get().next_check_at

    for _ in range(200):
        come_back(client, order)

    assert Transaction.objects.get().next_check_at == before


@pytest.mark.parametrize("query", [b"\xff\xfe", b"a=1&a=2", b"sign=x", b"%zz"])
def test_a_return_that_is_nonsense_is_only_a_return(client, order, unsettled, query):
    response = client.get(url(order, "return"), QUERY_STRING=query.decode("latin-1"))

    assert response.status_code == 303
    assert InboundMessage.objects.count() == 0
