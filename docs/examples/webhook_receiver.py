"""A small receiver of Jiezhang's webhooks: `WEBHOOK_SECRET=whsec_… python3 webhook_receiver.py 9000`.

Nothing but Python's own library. It believes a message only when its signature and its time are right, and does what a
message asks for once, however often it comes.
"""

import base64
import hmac
import json
import os
import sys
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOLERANCE_S = 5 * 60
seen: set[str] = set()  # a real shop keeps these in its database, in the commit of what it does


class NotBelieved(Exception):
    """Not from the shop, altered, or too old: answer 400 and do nothing."""


def verify(secret: str, headers: Mapping[str, str], body: bytes, *, now: float) -> dict[str, object]:
    """The message, when one of its signatures is right. Raises NotBelieved."""
    message_id, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not stamp.isdigit() or abs(now - int(stamp)) > TOLERANCE_S:
        raise NotBelieved("too old, or without a time")
    key = base64.b64decode(secret.removeprefix("whsec_"))
    wanted = base64.b64encode(hmac.digest(key, f"{message_id}.{stamp}.".encode() + body, "sha256")).decode()
    # there are two while the secret is being replaced
    given = [each.partition(",")[2] for each in headers.get("webhook-signature", "").split() if each.startswith("v1,")]
    if not any(hmac.compare_digest(wanted, each) for each in given):
        raise NotBelieved("no signature is right")
    message: dict[str, object] = json.loads(body)
    return message


def act(message: dict[str, object]) -> None:
    """What the shop does about it; here it is only told."""
    sys.stdout.write(f"{message['sequence']} {message['type']} {json.dumps(message['data'], ensure_ascii=False)}\n")
    sys.stdout.flush()


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(min(int(self.headers.get("Content-Length") or 0), 1 << 20))
        try:
            message = verify(
                os.environ["WEBHOOK_SECRET"],
                {name.lower(): value for name, value in self.headers.items()},
                body,
                now=time.time(),
            )
        except NotBelieved as why:
            self._answer(400, str(why))
            return
        if self.headers["webhook-id"] not in seen:
            act(message)
            seen.add(self.headers["webhook-id"])
        self._answer(200, "taken")  # any 2xx; everything else comes again, for three days

    def _answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """One line a message is enough."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
