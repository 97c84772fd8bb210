import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from tests.payments.alipay.wire import Serve


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
