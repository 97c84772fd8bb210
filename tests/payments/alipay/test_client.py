import asyncio
import resource
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from payments.alipay.client import LARGEST_ANSWER, Post, Transport
from payments.errors import GatewayDown, NoAnswer, NotSent
from tests.payments.alipay.making import AUTHORITY, HOST_KEY, host_certificate, private_pem
from tests.payments.alipay.wire import Serve, http, saying


@pytest.fixture
def transport() -> Iterator[Transport]:
    transport = Transport(connections=10)
    yield transport
    transport.close()


def test_the_answer_comes_back_as_bytes_and_the_address_goes_out_as_given(transport, far_side):
    heard: list[bytes] = []
    url = far_side(saying(http("好".encode()), heard))

    assert transport.send(Post(url, "biz_content=%7B%7D"), deadline_s=5) == "好".encode()
    assert b"POST /gateway.do?x=1%2F2 HTTP/1.1" in heard[0]
    assert b"biz_content=%7B%7D" in b"".join(heard)


def test_one_connection_serves_many_calls(transport, far_side):
    connections: list[socket.socket] = []

    def serve(connection: socket.socket) -> None:
        connections.append(connection)
        saying(http(b"ok"))(connection)

    url = far_side(serve)
    for _ in range(5):
        transport.send(Post(url, "a=1"), deadline_s=5)

    assert len(connections) == 1


@pytest.mark.rows("F35")
def test_a_gateway_that_refuses_connections_was_certainly_not_reached(transport):
    with pytest.raises(NotSent):
        transport.send(Post("http://127.0.0.1:9/", ""), deadline_s=5)


@pytest.mark.rows("F35")
def test_a_name_that_does_not_resolve_was_certainly_not_reached(transport):
    with pytest.raises(NotSent):
        transport.send(Post("http://no-such-host.invalid/", ""), deadline_s=10)


@pytest.mark.rows("F35")
def test_a_certificate_that_does_not_fit_stops_the_call_before_it_is_sent(transport, tmp_path, far_side):
    heard: list[bytes] = []
    context = _tls_with_own_certificate(tmp_path)

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            heard.append(secure.recv(100))

    url = far_side(serve).replace("http://", "https://")
    with pytest.raises(NotSent):
        transport.send(Post(url, "a=1"), deadline_s=5)

    assert not any(heard)


@pytest.mark.rows("F38")
@pytest.mark.parametrize("status", ["500 x", "502 x", "503 x", "404 x", "302 Found"])
def test_any_status_but_200_is_no_answer(transport, far_side, status):
    url = far_side(saying(http(b"<html>", status=status, headers="Location: /elsewhere\r\n")))

    with pytest.raises(NoAnswer, match=status[:3]) as caught:
        transport.send(Post(url, ""), deadline_s=5)
    assert not isinstance(caught.value, NotSent)


def test_a_redirect_is_not_followed(transport, far_side):
    heard: list[bytes] = []
    elsewhere = far_side(saying(http(b"stolen"), heard))
    url = far_side(saying(http(b"", status="307 x", headers=f"Location: {elsewhere}\r\n")))

    with pytest.raises(NoAnswer):
        transport.send(Post(url, "a=1"), deadline_s=5)
    assert heard == []


def drip(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(1000):
        connection.sendall(b"x")
        time.sleep(0.05)


def drip_headers(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    for _ in range(1000):
        connection.sendall(b"x")
        time.sleep(0.05)


def silent(connection: socket.socket) -> None:
    connection.recv(65536)
    time.sleep(2)


@pytest.mark.rows("F41")
@pytest.mark.parametrize("serve", [drip, drip_headers, silent])
def test_the_deadline_is_a_total_one(transport, far_side, serve):
    started = time.monotonic()

    with pytest.raises(NoAnswer):
        transport.send(Post(far_side(serve), ""), deadline_s=0.5)
    assert time.monotonic() - started < 1.5


def test_an_endless_answer_is_cut_off(transport, far_side):
    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65536)

    with pytest.raises(NoAnswer, match=str(LARGEST_ANSWER)):
        transport.send(Post(far_side(serve), ""), deadline_s=10)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", b"nonsense\r\n\r\n"])
def test_a_line_that_breaks_is_no_answer(transport, far_side, answer):
    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(answer)

    with pytest.raises(NoAnswer):
        transport.send(Post(far_side(serve), ""), deadline_s=5)


def test_a_batch_keeps_its_order_and_fails_one_by_one(transport, far_side):
    good = far_side(saying(http(b"good")))
    bad = far_side(saying(http(b"", status="500 x")))

    answers = transport.send_many(
        [Post(good, ""), Post(bad, ""), Post(good, ""), Post("http://127.0.0.1:9/", "")], deadline_s=5
    )

    assert answers[0] == answers[2] == b"good"
    assert isinstance(answers[1], NoAnswer)
    assert isinstance(answers[3], NotSent)


def test_a_batch_never_opens_more_connections_than_allowed(transport, far_side):
    now, most, lock = [0], [0], threading.Lock()

    def serve(connection: socket.socket) -> None:
        while connection.recv(65536):
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
            time.sleep(0.02)
            with lock:
                now[0] -= 1
            connection.sendall(http(b"ok"))

    url = far_side(serve)
    transport.send_many([Post(url, "")] * 60, deadline_s=10)

    assert 2 <= most[0] <= 10


def test_calls_from_many_threads_do_not_disturb_each_other(transport, far_side):
    url = far_side(saying(http(b"ok")))
    answers: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: answers.append(transport.send(Post(url, ""), deadline_s=5))) for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == [b"ok"] * 20


def _tls_with_own_certificate(folder) -> ssl.SSLContext:
    (folder / "c.pem").write_text(host_certificate("openapi.alipay.com"))
    (folder / "k.pem").write_text(private_pem(HOST_KEY))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "c.pem", folder / "k.pem")
    return context


@pytest.fixture
def trusting_our_authority(monkeypatch, tmp_path) -> None:
    """As if the machine knew the authority of these tests, so that nothing but the certificate itself is judged."""
    (tmp_path / "authority.pem").write_text(AUTHORITY)
    monkeypatch.setattr(
        "aiohttp.connector._SSL_CONTEXT_VERIFIED", ssl.create_default_context(cafile=tmp_path / "authority.pem")
    )


def serving_tls(far_side, folder, certificate: str, *, oldest: bool = False) -> str:
    (folder / "c.pem").write_text(certificate)
    (folder / "k.pem").write_text(private_pem(HOST_KEY))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if oldest:
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1
    context.load_cert_chain(folder / "c.pem", folder / "k.pem")

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            saying(http(b"ok"))(secure)

    return str(far_side(serve)).replace("http://127.0.0.1", "https://localhost")


def test_a_certificate_that_fits_is_accepted(transport, far_side, tmp_path, trusting_our_authority):
    url = serving_tls(far_side, tmp_path, host_certificate("localhost"))

    assert transport.send(Post(url, ""), deadline_s=5) == b"ok"


@pytest.mark.rows("D12")
@pytest.mark.parametrize(
    ("certificate", "says"),
    [
        (host_certificate("openapi.alipay.com"), "[Hh]ostname mismatch"),
        (host_certificate("localhost", until=datetime.now(UTC) - timedelta(days=1)), "expired"),
        (host_certificate("localhost", signer=HOST_KEY), "self.signed|unable to get local issuer|signature"),
    ],
    ids=["wrong host", "expired", "self-signed"],
)
def test_a_certificate_that_does_not_fit_is_refused(
    transport, far_side, tmp_path, trusting_our_authority, certificate: str, says: str
):
    url = serving_tls(far_side, tmp_path, certificate)

    with pytest.raises(NotSent, match=says):
        transport.send(Post(url, ""), deadline_s=5)


@pytest.mark.rows("D12")
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")
def test_a_line_of_the_last_century_is_refused(transport, far_side, tmp_path, trusting_our_authority):
    url = serving_tls(far_side, tmp_path, host_certificate("localhost"), oldest=True)

    with pytest.raises(NoAnswer):
        transport.send(Post(url, ""), deadline_s=5)


@pytest.mark.rows("F38", "F39")
@pytest.mark.parametrize("headers", ["Content-Type: text/html\r\n", "Content-Type: image/png; charset=klingon\r\n"])
def test_what_a_header_says_of_the_content_does_not_matter(transport, far_side, headers: str):
    assert transport.send(Post(far_side(saying(http(b"{}", headers=headers))), ""), deadline_s=5) == b"{}"


def failing(times: int, answer: bytes = http(b"ok")) -> tuple[Serve, list[bytes]]:
    """Breaks the line so many times, then answers."""
    heard: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        heard.append(connection.recv(65536))
        if len(heard) > times:
            connection.sendall(answer)

    return serve, heard


def test_a_question_is_asked_again_when_the_line_breaks(transport, far_side):
    serve, heard = failing(2)

    assert transport.send(Post(far_side(serve), "", changes_nothing=True), deadline_s=10) == b"ok"
    assert len(heard) == 3


def test_a_question_is_asked_three_times_at_most(transport, far_side):
    serve, heard = failing(9)

    with pytest.raises(NoAnswer):
        transport.send(Post(far_side(serve), "", changes_nothing=True), deadline_s=10)
    assert len(heard) == 3


def test_asking_again_ends_with_the_deadline(transport, far_side):
    serve, _ = failing(9)
    started = time.monotonic()

    with pytest.raises(NoAnswer):
        transport.send(Post(far_side(serve), "", changes_nothing=True), deadline_s=0.15)
    assert time.monotonic() - started < 1


@pytest.mark.rows("F38")
def test_an_order_is_never_given_twice(transport, far_side):
    serve, heard = failing(1)

    with pytest.raises(NoAnswer):
        transport.send(Post(far_side(serve), ""), deadline_s=10)
    assert len(heard) == 1


@pytest.fixture
def impatient() -> Iterator[Transport]:
    transport = Transport(connections=10, failures=3, pause_s=0.3)
    yield transport
    transport.close()


@pytest.mark.rows("F44")
def test_a_gateway_that_is_down_costs_milliseconds_until_it_answers_again(impatient, far_side):
    serve, heard = failing(3)
    post = Post(far_side(serve), "")
    for _ in range(3):
        with pytest.raises(NoAnswer):
            impatient.send(post, deadline_s=1)
    assert impatient.is_down(post.url)

    started = time.monotonic()
    for _ in range(100):
        with pytest.raises(GatewayDown):
            impatient.send(post, deadline_s=1)
    assert time.monotonic() - started < 0.3
    assert len(heard) == 3

    time.sleep(0.35)
    assert impatient.send(post, deadline_s=1) == b"ok"
    assert not impatient.is_down(post.url)


@pytest.mark.rows("F44")
def test_a_batch_to_a_gateway_that_is_down_is_given_up_in_its_midst(impatient, far_side):
    heard: list[bytes] = []
    posts = [Post(far_side(saying(http(b"", status="503 x"), heard)), "", changes_nothing=True)] * 500

    answers = impatient.send_many(posts, deadline_s=2)

    assert len(heard) <= 3 * 10 + 10
    assert sum(isinstance(answer, GatewayDown) for answer in answers) >= 480


def test_one_gateway_that_is_down_does_not_close_another(impatient, far_side):
    dead = Post("http://127.0.0.1:9/gateway.do", "")
    for _ in range(5):
        with pytest.raises(NotSent):
            impatient.send(dead, deadline_s=1)

    assert impatient.is_down(dead.url)
    assert impatient.send(Post(far_side(saying(http(b"ok"))), ""), deadline_s=1) == b"ok"


@pytest.mark.rows("F41")
def test_an_answer_of_50_mb_costs_neither_time_nor_memory(transport, far_side):
    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 52428800\r\n\r\n")
        for _ in range(800):
            connection.sendall(b"x" * 65536)

    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    with pytest.raises(NoAnswer, match=str(LARGEST_ANSWER)):
        transport.send(Post(far_side(serve), ""), deadline_s=10)

    assert time.monotonic() - started < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20 * 1024


def test_the_loop_of_the_caller_is_not_needed(transport, far_side):
    """Called from inside somebody's running event loop, as in an async worker, it neither nests nor deadlocks."""
    url = far_side(saying(http(b"ok")))

    async def inside() -> bytes:
        return await asyncio.to_thread(transport.send, Post(url, ""), deadline_s=5)

    with ThreadPoolExecutor(1) as apart:  # the browser tests may keep a loop of their own on this thread
        assert apart.submit(lambda: asyncio.run(inside())).result() == b"ok"
