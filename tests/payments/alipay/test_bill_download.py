"""The link to a bill comes from outside: whatever it says, nothing but Alipay's own hosts is ever connected to."""

import io
import logging
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from payments.alipay import bill_download
from payments.alipay.bill_download import LinkRules, check_link, download
from payments.errors import LinkRefused, NoAnswer, NotABill, NotSent
from payments.public_hosts import is_public
from tests.payments.alipay.wire import http, saying

HOST = "dwbillcenter.alipay.com"
RULES = LinkRules(frozenset({HOST}))
PATH = "/downloadBillFile.resource?bizType=trade&userId=20880000&token=canary"


@pytest.fixture
def trap() -> Iterator[tuple[int, list[object]]]:
    """A listening socket that must never be connected to."""
    caught: list[object] = []
    server = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        try:
            caught.append(server.accept())
        except OSError:
            return

    threading.Thread(target=accept, daemon=True).start()
    yield server.getsockname()[1], caught
    server.close()


LINKS = [
    "file:///etc/passwd", "ftp://{host}/x", "gopher://127.0.0.1:{port}/x", "http://{host}{path}", "https://127.0.0.1:{port}/x",
    "http://127.0.0.1:{port}/x", "http://localhost:{port}/x", "https://10.0.0.1/x", "https://192.168.1.1/x",
    "https://169.254.169.254/latest/meta-data", "http://[::1]:{port}/x", "https://[::ffff:127.0.0.1]:{port}/x",
    "http://2130706433:{port}/x", "http://0x7f000001:{port}/x", "http://0177.0.0.1:{port}/x", "http://127.1:{port}/x",
    "http://0.0.0.0:{port}/x", "https://[fe80::1]/x", "https://[fd00::1]/x", "https://100.64.0.1/x", "//127.0.0.1:{port}/x",
    "https:/{host}/x", "https://", "", "data:application/zip;base64,UEs=", "javascript:1", "dict://127.0.0.1:{port}/x",
]  # fmt: skip


@pytest.mark.rows("D01")
@pytest.mark.parametrize("link", LINKS)
def test_no_link_leads_inside(link: str, trap):
    port, caught = trap

    with pytest.raises(LinkRefused):
        download(link.format(port=port, host=HOST, path=PATH), io.BytesIO(), rules=RULES, deadline_s=2)
    assert caught == []


@pytest.mark.rows("D04")
@pytest.mark.parametrize(
    "link",
    [
        "https://user@{host}/x", "https://user:word@{host}/x", "https://{host}@evil.example/x", "https://{host}:8443/x",
        "https://{host}:443/x", "https://{host}./x", "https://DWBillCenter.alipay.com/x", "https://dwbillcenter.alipay.com.evil.example/x",
        "https://evil-dwbillcenter.alipay.com/x", "https://dwbi11center.alipay.com/x", "https://dwbillcenter.аlipay.com/x",
        "https://dwbillcenter.alipay.com\\@evil.example/x", "https://evil.example#@{host}/x", "https://evil.example?@{host}/x",
        "https://{host}/x y", "https://{host}/x\r\nHost: evil", "https://{host}%2eevil.example/x", "https://{host}",
        "https://{host}\t/x", " https://{host}/x", "HTTPS://{host}/x", "https://{host}/x#y" + "z" * 3000,
    ],
)  # fmt: skip
def test_only_the_exact_name_is_the_host(link: str):
    with pytest.raises(LinkRefused):
        check_link(link.format(host=HOST), RULES)


def test_alipays_own_link_is_one():
    check_link(f"https://{HOST}{PATH}", RULES)


def looking_up(*answers: list[str]):
    """A name server that gives another answer each time, and counts."""
    asked = []

    async def look_up(host: str, port: int) -> list[str]:
        asked.append(host)
        return answers[min(len(asked), len(answers)) - 1]

    return look_up, asked


@pytest.mark.rows("D02")
@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["1.1.1.1", "10.0.0.1"], ["::ffff:127.0.0.1"], ["64:ff9b::7f00:1"]]
)
def test_an_allowed_name_with_a_private_address_is_refused(addresses: list[str], trap, monkeypatch):
    connected = refusing_to_connect(monkeypatch)
    look_up, _ = looking_up(addresses)

    with pytest.raises(LinkRefused, match="no public address"):
        download(f"https://{HOST}{PATH}", io.BytesIO(), rules=RULES, deadline_s=2, look_up=look_up)
    assert connected == []


def refusing_to_connect(monkeypatch) -> list[object]:
    connected: list[object] = []

    async def connect(*arguments: object, **more: object) -> None:
        connected.append(f"{arguments} {more}")  # now: the list is emptied later
        raise OSError("not in a test")

    monkeypatch.setattr("aiohttp.connector.aiohappyeyeballs.start_connection", connect)
    return connected


@pytest.mark.rows("D02")
def test_what_was_looked_up_and_checked_is_what_is_connected_to(monkeypatch):
    """A name that changes between two look-ups gains nothing, for there is only one."""
    connected = refusing_to_connect(monkeypatch)
    look_up, asked = looking_up(["203.0.114.7"], ["127.0.0.1"])

    with pytest.raises(NotSent):
        download(f"https://{HOST}{PATH}", io.BytesIO(), rules=RULES, deadline_s=2, look_up=look_up)

    assert asked == [HOST]
    assert "203.0.114.7" in repr(connected)
    assert "127.0.0.1" not in repr(connected)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("1.1.1.1", True), ("2606:4700::1111", True), ("127.0.0.1", False), ("10.1.2.3", False), ("172.16.0.1", False),
        ("192.168.0.1", False), ("169.254.169.254", False), ("100.64.0.1", False), ("0.0.0.0", False), ("255.255.255.255", False),
        ("224.0.0.1", False), ("192.0.2.1", False), ("198.18.0.1", False), ("240.0.0.1", False), ("::1", False), ("::", False),
        ("fe80::1", False), ("fe80::1%eth0", False), ("fc00::1", False), ("::ffff:8.8.8.8", False), ("64:ff9b::a00:1", False),
        ("2002:7f00:1::", False), ("2001:0:7f00:1::", False), ("::127.0.0.1", False), ("ff02::1", False), ("2130706433", False),
        ("0x7f.1", False), ("127.1", False), ("", False),
    ],
)  # fmt: skip
def test_which_addresses_are_public(address: str, public: bool):
    assert is_public(address) is public


def near(far_side, answer) -> tuple[str, LinkRules]:
    """A pretend Alipay on this machine, allowed as a whole origin."""
    url = far_side(answer).partition("/gateway.do")[0]
    return f"{url}{PATH}", LinkRules(frozenset({HOST}), frozenset({url}))


def fetched(link: str, rules: LinkRules, *, deadline_s: float = 5) -> bytes:
    into = io.BytesIO()
    size = download(link, into, rules=rules, deadline_s=deadline_s)
    assert size == len(into.getvalue())
    return into.getvalue()


def test_a_bill_is_fetched_byte_by_byte(far_side):
    assert fetched(*near(far_side, saying(http(b"PK\x03\x04" + b"x" * 100_000)))) == b"PK\x03\x04" + b"x" * 100_000


@pytest.mark.rows("D03")
@pytest.mark.parametrize("status", ["301 x", "302 x", "303 x", "307 x", "308 x"])
def test_a_redirect_is_not_followed(far_side, trap, status: str):
    port, caught = trap
    link, rules = near(far_side, saying(http(b"PK", status=status, headers=f"Location: http://127.0.0.1:{port}/x\r\n")))

    with pytest.raises(NotABill, match=status[:3]):
        fetched(link, rules)
    assert caught == []


@pytest.mark.rows("D07")
@pytest.mark.parametrize("body", [b"<html>", b'{"code":1}', b"", b"P"])
def test_what_is_no_zip_is_told_apart(far_side, body: bytes):
    link, rules = near(far_side, saying(http(body)))

    if body == b"P":
        assert fetched(link, rules) == b"P"  # too short to tell; the reader of bills will
    else:
        with pytest.raises(NotABill):
            fetched(link, rules)


@pytest.mark.rows("F61")
def test_a_line_that_breaks_before_the_end_is_no_bill(far_side):
    def cut(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nPK")

    with pytest.raises(NoAnswer):
        fetched(*near(far_side, cut))


def test_the_deadline_is_a_total_one(far_side):
    def drip(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nPK")
        for _ in range(100):
            connection.sendall(b"x")
            time.sleep(0.05)

    started = time.monotonic()
    with pytest.raises(NoAnswer, match="within"):
        fetched(*near(far_side, drip), deadline_s=0.5)
    assert time.monotonic() - started < 2


def test_a_file_that_is_too_large_is_cut_off(far_side, monkeypatch):
    monkeypatch.setattr(bill_download, "LARGEST_BILL", 100_000)

    with pytest.raises(NoAnswer, match="more than 100000"):
        fetched(*near(far_side, saying(http(b"PK" + b"x" * 200_000))))


def test_the_link_stands_in_no_error_and_no_log(far_side, caplog):
    caplog.set_level(logging.DEBUG)
    link, rules = near(far_side, saying(http(b"<html>")))
    wrong = [
        link,
        link.replace("http://127.0.0.1", "http://127.0.0.2"),
        f"https://user:canary@evil.example{PATH}",
        f"x{link}",
    ]

    for each in wrong:
        with pytest.raises((LinkRefused, NotABill)) as caught:
            fetched(each, rules)
        assert "canary" not in f"{caught.value} {caught.value.__cause__} {caplog.text}"
