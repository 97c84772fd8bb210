"""The pretend Alipay behind its socket: what clients, browsers and tests get."""

import json
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from config.local.places import ROOT
from config.local.stack import answers, free_port
from payments.models import Transaction
from payments.models.clock import database_now
from payments.sandbox.notices import signed_return
from payments.services.attempt_requests import pay_address
from payments.services.start_payment import start_payment
from tests.conftest import Twin, wait_until


def post(url: str, data: bytes, content_type: str = "application/x-www-form-urlencoded") -> tuple[int, dict]:
    request = urllib.request.Request(url, data=data, headers={"Content-Type": content_type})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def get(url: str, headers: dict[str, str] | None = None, data: bytes | None = None) -> tuple[str, str]:
    with urllib.request.urlopen(urllib.request.Request(url, data, headers or {}), timeout=10) as answer:
        return answer.geturl(), answer.read().decode()


def test_control_pay_answers_with_the_trade(twin: Twin, attempt):
    for body, kind in (
        (
            urlencode({"out_trade_no": attempt.out_trade_no, "unknown": "x"}).encode(),
            "application/x-www-form-urlencoded",
        ),
    ):
        status, answer = post(f"{twin.url}/control/pay", body, kind)

        assert (status, answer["out_trade_no"], answer["trade_status"]) == (200, attempt.out_trade_no, "TRADE_SUCCESS")
        assert len(answer["trade_no"]) == 28


def test_control_takes_json_too(twin: Twin, attempt):
    body = json.dumps({"out_trade_no": attempt.out_trade_no, "deep": {"x": 1}}).encode()

    assert post(f"{twin.url}/control/pay", body, "application/json")[0] == 200


def test_control_pay_says_404_and_409(twin: Twin, attempt):
    assert post(f"{twin.url}/control/pay", b"out_trade_no=nothing")[0] == 404
    assert post(f"{twin.url}/control/pay", b"{broken", "application/json")[0] == 404
    twin.control("pay", out_trade_no=attempt.out_trade_no)
    assert post(f"{twin.url}/control/pay", f"out_trade_no={attempt.out_trade_no}".encode())[0] == 409


def test_the_book_lists_trades_that_exist(twin: Twin, attempt):
    assert json.loads(get(f"{twin.url}/control/book")[1]) == {"trades": []}

    twin.control("pay", out_trade_no=attempt.out_trade_no)
    (trade,) = json.loads(get(f"{twin.url}/control/book")[1])["trades"]
    assert (trade["trade_status"], trade["total_amount"], trade["refunds"]) == ("TRADE_SUCCESS", "88.80", [])


def test_faults_are_named(twin: Twin):
    status, answer = post(f"{twin.url}/control/faults", b"earthquake=1")

    assert status == 400
    assert "mute" in answer["error"]
    assert post(f"{twin.url}/control/faults", b"lose=often")[0] == 400


def test_gateway_answers_are_html_by_their_header_and_200_by_their_status(twin: Twin):
    with urllib.request.urlopen(f"{twin.url}/gateway.do?method=alipay.trade.query&charset=utf-8", timeout=10) as answer:
        assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert "isv.invalid-app-id" in answer.read().decode()


def test_an_absolute_request_line_is_understood(twin: Twin):
    """One official SDK sends the whole address in the first line, as to a proxy."""
    where = urlsplit(twin.url)
    with socket.create_connection((where.hostname, where.port), timeout=5) as raw:
        raw.sendall(f"GET {twin.url}/gateway.do?method=x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while chunk := raw.recv(65536):
            answer += chunk

    assert b"200 OK" in answer
    assert b"isv.invalid-app-id" in answer


def test_a_browser_walks_from_the_signed_address_to_the_payment(twin: Twin, connected, make_order):
    attempt = start_payment(make_order(), scene=Transaction.Scene.PAGE, actor="test")

    address, page = get(pay_address(attempt), {"Accept-Language": "en"})
    assert address.endswith(f"/cashier/{attempt.out_trade_no}")
    assert "No money moves" in page
    _, page = get_after_post(f"{address}/login")
    assert "Confirm payment" in page or "确认付款" in page

    trade = twin.site.alipay.book.trades[attempt.out_trade_no]
    trade.return_url = ""  # the shop is not running here
    get_after_post(f"{address}/pay")
    assert trade.is_paid


def get_after_post(url: str) -> tuple[str, str]:
    with urllib.request.urlopen(urllib.request.Request(url, data=b""), timeout=10) as answer:
        return answer.geturl(), answer.read().decode()


def test_the_way_back_is_signed_and_carries_no_status(twin: Twin, connected, make_order):
    attempt = start_payment(make_order(), scene=Transaction.Scene.PAGE, actor="test")
    twin.control("pay", url=pay_address(attempt))

    back = signed_return(twin.site.alipay, twin.site.alipay.book.trades[attempt.out_trade_no], database_now())
    assert back["method"] == "alipay.trade.page.pay.return"
    assert "trade_status" not in back


def test_an_address_that_was_tampered_with_shows_alipays_refusal(twin: Twin, connected, make_order):
    attempt = start_payment(make_order(), scene=Transaction.Scene.PAGE, actor="test")

    _, page = get(pay_address(attempt).replace("88.80", "00.01"))
    assert "isv.invalid-signature" in page


def test_opening_a_code_is_not_yet_a_scan(twin: Twin, attempt):
    trade = twin.site.alipay.book.trades[attempt.out_trade_no]
    path = urlsplit(trade.qr_code).path

    get(twin.url + path)
    assert not trade.exists
    get_after_post(f"{twin.url}{path}/scan")
    assert trade.exists
    get_after_post(f"{twin.url}{path}/pay")
    assert trade.is_paid


@pytest.mark.parametrize("path", ["/qr/nothing", "/cashier/nothing"])
def test_what_does_not_exist_is_not_found(twin: Twin, path):
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(twin.url + path)


def test_the_overview_lists_trades_and_notices_in_both_languages(twin: Twin, attempt):
    twin.control("pay", out_trade_no=attempt.out_trade_no)

    assert attempt.out_trade_no in get(twin.url, {"Accept-Language": "en"})[1]
    assert "模拟支付宝" in get(twin.url, {"Accept-Language": "zh-CN"})[1]


@pytest.fixture
def shop() -> Iterator[tuple[str, list[bytes], list[str]]]:
    """A shop that answers notices as told, and remembers them."""
    heard: list[bytes] = []
    replies: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the library's name
            heard.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()
            self.wfile.write((replies.pop(0) if replies else "success").encode())

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/", heard, replies
    server.shutdown()
    server.server_close()


def test_notices_are_sent_until_the_shop_says_success(twin: Twin, attempt, shop):
    url, heard, replies = shop
    replies += ["fail", "SUCCESS"]
    trade = twin.site.alipay.book.trades[attempt.out_trade_no]
    trade.notify_url = url
    twin.control("faults", mute="false")
    twin.control("pay", out_trade_no=attempt.out_trade_no)

    wait_until(lambda: len(heard) == 3)
    fields = [{name: values[0] for name, values in parse_qs(body.decode()).items()} for body in heard]
    assert len({each["notify_id"] for each in fields}) == 1
    (delivery,) = twin.site.alipay.book.deliveries.values()
    wait_until(lambda: delivery.is_done)
    assert delivery.answers == ["fail", "SUCCESS", "success"]

    twin.control("resend", out_trade_no=attempt.out_trade_no)
    assert len(heard) == 4


def test_muted_notices_wait(twin: Twin, attempt, shop):
    url, heard, _ = shop
    twin.site.alipay.book.trades[attempt.out_trade_no].notify_url = url
    twin.control("pay", out_trade_no=attempt.out_trade_no)
    assert heard == []

    twin.control("faults", mute="false")
    wait_until(lambda: len(heard) == 1)


def test_it_runs_alone_with_neither_database_nor_environment(tmp_path):
    port = free_port()
    command = [
        sys.executable,
        str(ROOT / "manage.py"),
        "alipay_sandbox",
        "--port",
        str(port),
        "--data",
        str(tmp_path / "d"),
    ]
    process = subprocess.Popen(command, cwd=ROOT, env={"PATH": "/usr/bin:/bin"}, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/healthz"), 30)
    finally:
        process.terminate()
        process.wait(10)

    names = {path.name for path in (tmp_path / "d").iterdir()}
    assert names >= {
        "app_id", "seller_id", "app_private_key.pem", "app_public_key.pem", "alipay_private_key.pem", "alipay_public_key.pem",
    }  # fmt: skip
    assert (tmp_path / "d/app_private_key.pem").stat().st_mode & 0o077 == 0


def test_a_refund_in_alipays_console_stands_in_the_book(twin: Twin, attempt):
    number = attempt.out_trade_no
    assert post(f"{twin.url}/control/refund", f"out_trade_no={number}&refund_amount=1.00".encode())[0] == 409
    twin.control("pay", out_trade_no=number)

    part = post(f"{twin.url}/control/refund", f"out_trade_no={number}&refund_amount=1.00".encode())
    rest = post(f"{twin.url}/control/refund", f"out_trade_no={number}".encode())

    assert (part[0], part[1]["trade_status"]) == (200, "TRADE_SUCCESS")
    assert (rest[0], rest[1]["refund_amount"], rest[1]["trade_status"]) == (200, "87.80", "TRADE_CLOSED")
    (trade,) = json.loads(get(f"{twin.url}/control/book")[1])["trades"]
    assert [refund["refund_amount"] for refund in trade["refunds"]] == ["1.00", "87.80"]
    assert post(f"{twin.url}/control/refund", b"out_trade_no=nothing")[0] == 404
    assert post(f"{twin.url}/control/refund", f"out_trade_no={number}&refund_amount=x".encode())[0] == 400


def test_the_clock_can_be_moved_past_the_refund_window(twin: Twin, attempt):
    twin.control("pay", out_trade_no=attempt.out_trade_no)
    try:
        status, answer = post(f"{twin.url}/control/clock", f"ahead_s={366 * 86400}".encode())
        moved = json.loads(get(f"{twin.url}/control/book")[1])["trades"][0]["trade_status"]
    finally:
        post(f"{twin.url}/control/clock", b"ahead_s=0")

    assert (status, moved) == (200, "TRADE_FINISHED")
    assert answer["now"] > "2026"
    assert post(f"{twin.url}/control/clock", b"ahead_s=soon")[0] == 400
