import asyncio
import contextlib
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from payments.alipay.client import LARGEST_ANSWER, Post, Transport
from payments.errors import NoAnswer, NotSent

Serve = Callable[[socket.socket], None]


@pytest.fixture
def transport() -> Iterator[Transport]:
    transport = Transport(connections=10)
    yield transport
    transport.close()


@pytest.fixture
def far_side() -> Iterator[Callable[[Serve], str]]:
    """A server of bare sockets that does what a test says with each connection."""
    listening: list[socket.socket] = []

    def listen(serve: Serve) -> str:
        server = socket.create_server(("127.0.0.1", 0))
        listening.append(server)

        def served(connection: socket.socket) -> None:
            with connection, contextlib.suppress(OSError):
                serve(connection)

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=served, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        return f"http://127.0.0.1:{server.getsockname()[1]}/gateway.do?x=1%2F2"

    yield listen
    for server in listening:
        server.close()


def http(body: bytes, *, status: str = "200 OK", headers: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


def saying(answer: bytes, heard: list[bytes] | None = None) -> Serve:
    def serve(connection: socket.socket) -> None:
        while data := connection.recv(65536):
            if heard is not None:
                heard.append(data)
            connection.sendall(answer)

    return serve


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
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", folder / "k.pem", "-out", folder / "c.pem",
         "-days", "1", "-subj", "/CN=openapi.alipay.com"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "c.pem", folder / "k.pem")
    return context


def test_the_loop_of_the_caller_is_not_needed(transport, far_side):
    """Called from inside somebody's running event loop, as in an async worker, it neither nests nor deadlocks."""
    url = far_side(saying(http(b"ok")))

    async def inside() -> bytes:
        return await asyncio.to_thread(transport.send, Post(url, ""), deadline_s=5)

    assert asyncio.run(inside()) == b"ok"
