"""A far side of bare sockets, for tests of what comes over a wire."""

import socket
from collections.abc import Callable

Serve = Callable[[socket.socket], None]


def http(body: bytes, *, status: str = "200 OK", headers: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


def saying(answer: bytes, heard: list[bytes] | None = None) -> Serve:
    def serve(connection: socket.socket) -> None:
        while data := connection.recv(65536):
            if heard is not None:
                heard.append(data)
            connection.sendall(answer)

    return serve
