"""The gateway's socket: requests as clients really send them, and lines that break on order."""

import http.client
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode, urlsplit

import pytest

from payments.alipay import requests
from payments.alipay.client import Post, Transport
from payments.alipay.envelope import read_answer
from payments.alipay.keys import Credentials
from payments.errors import MalformedAnswer, NoAnswer
from tests.conftest import Twin
from tests.sandbox.conftest import offer, params_of, refusal

BOUNDARY = "----boundary7MA4"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
MULTIPART = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def sent(
    twin: Twin, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    where = urlsplit(twin.url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=10)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.fixture
def params(who: Credentials) -> dict[str, str]:
    now = datetime.now(UTC)
    return params_of(offer(time_expire=now + timedelta(minutes=15)), who, now)


def multipart(fields: dict[str, str]) -> bytes:
    """The fields, and a file that is no part of what is signed."""
    head = f"--{BOUNDARY}\r\nContent-Disposition: form-data; name="
    parts = [f'{head}"{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()]
    file = f'{head}"file"; filename="a.bin"\r\nContent-Type: application/octet-stream\r\n\r\nx\r\n'
    return ("".join(parts) + file + f"--{BOUNDARY}--\r\n").encode()


@pytest.mark.parametrize("way", ["get", "query", "body", "both", "multipart"])
def test_parameters_may_stand_anywhere(twin: Twin, params, way):
    every, rest = urlencode(params), {"biz_content": params["biz_content"]}
    common = urlencode({name: value for name, value in params.items() if name not in rest})
    status, body = {
        "get": lambda: sent(twin, "GET", f"/gateway.do?{every}"),
        "query": lambda: sent(twin, "POST", f"/gateway.do?{every}"),
        "body": lambda: sent(twin, "POST", "/gateway.do?charset=utf-8", every.encode(), FORM),
        "both": lambda: sent(twin, "POST", f"/gateway.do?{common}", urlencode(rest).encode(), FORM),
        "multipart": lambda: sent(twin, "POST", f"/gateway.do?{common}", multipart(rest), MULTIPART),
    }[way]()

    assert (status, refusal(body.decode())) == (200, "")
    assert twin.site.alipay.book.trades["A1"].subject == "龙井"


def test_a_refusal_in_gbk_reads_as_gbk(twin: Twin, params):
    body = sent(twin, "GET", f"/gateway.do?{urlencode({**params, 'charset': 'GBK'})}")[1]

    assert "无效签名" in body.decode("gbk")  # charset is part of what is signed


@pytest.fixture
def transport() -> Iterator[Transport]:
    line = Transport(connections=2)
    yield line
    line.close()


def ask(twin: Twin, transport: Transport, params: dict[str, str], deadline_s: float = 5) -> bytes:
    post = Post(f"{twin.url}/gateway.do?charset=utf-8", urlencode(params))
    return transport.send(post, deadline_s=deadline_s)


@pytest.mark.rows("F38")
def test_an_error_page_is_no_answer_and_does_nothing(twin: Twin, transport, params):
    twin.control("faults", http_500="1")

    with pytest.raises(NoAnswer, match="500"):
        ask(twin, transport, params)
    assert twin.site.alipay.book.trades == {}


@pytest.mark.rows("F39")
@pytest.mark.parametrize("fault", ["html", "cut"])
def test_what_is_no_json_was_done_all_the_same(twin: Twin, transport, params, who, fault):
    twin.control("faults", **{fault: "1"})
    body = ask(twin, transport, params)

    with pytest.raises(MalformedAnswer):
        read_answer(body, method="alipay.trade.precreate", who=who)
    assert list(twin.site.alipay.book.trades) == ["A1"]


@pytest.mark.rows("F41")
@pytest.mark.parametrize(("fault", "is_done"), [("lose", False), ("swallow", True), ("drip", True), ("delay", False)])
def test_a_slow_line_ends_at_the_deadline(twin: Twin, transport, params, fault, is_done):
    twin.control("faults", **{fault: "1", "seconds": "0.5", "method": "alipay.trade.precreate"})
    since = time.monotonic()

    with pytest.raises(NoAnswer):
        ask(twin, transport, params, deadline_s=0.3)
    assert time.monotonic() - since < 2
    assert ("A1" in twin.site.alipay.book.trades) is is_done


def test_a_delay_ends_with_the_answer(twin: Twin, transport, params, who):
    twin.control("faults", delay="1", seconds="0.2")
    since = time.monotonic()

    assert read_answer(ask(twin, transport, params), method="alipay.trade.precreate", who=who).is_signed
    assert time.monotonic() - since >= 0.2


def test_a_bill_is_asked_for_and_fetched_over_http(twin: Twin, transport, who):
    question = requests.Request(
        "alipay.data.dataservice.bill.downloadurl.query", {"bill_type": "trade", "bill_date": "2026-11-01"}
    )
    params = params_of(question, who, datetime.now(UTC))
    node = read_answer(ask(twin, transport, params), method=question.method, who=who)
    url = node.text("bill_download_url")

    status, content = sent(twin, "GET", url.removeprefix(twin.url))
    assert (status, content[:2]) == (200, b"PK")
    twin.control("clock", ahead_s="31")
    try:
        status, content = sent(twin, "GET", url.removeprefix(twin.url))
    finally:
        twin.control("clock", ahead_s="0")
    assert (status, "链接已失效" in content.decode()) == (200, True)
