"""In what the buyer reads us, and what this browser did before. It reorders and explains; it never locks a way to pay."""

import re
from enum import StrEnum

from django.http import HttpRequest, HttpResponseRedirect

STARTED, MOST_KEPT, ELSEWHERE = "started", 20, "elsewhere"


class App(StrEnum):
    """The app whose built-in browser this is; empty for a browser of its own."""

    NONE = ""
    WECHAT = "wechat"  # Alipay is blocked there
    ALIPAY = "alipay"
    OTHER = "other"  # may or may not let Alipay open


# The first that fits. QQ writes "QQ/9.0"; "MQQBrowser/14" is a browser of its own.
_SIGNS = (
    (App.WECHAT, re.compile(r"MicroMessenger/")),
    (App.ALIPAY, re.compile(r"AlipayClient/|AliApp\(AP/")),
    (
        App.OTHER,
        re.compile(
            r"\bQQ/|Weibo|DingTalk|aweme|BytedanceWebview|ToutiaoMicroApp|XiaoHongShu|discover/|Instagram|FBAN|FBAV",
            re.I,
        ),
    ),
)


def app_of(request: HttpRequest) -> App:
    agent = request.headers.get("User-Agent", "")
    return next((app for app, sign in _SIGNS if sign.search(agent)), App.NONE)


def note_start(request: HttpRequest, order_id: int) -> None:
    """This browser went to pay this order: when Alipay sends the buyer back, it may be to another one."""
    started = request.session.get(STARTED, [])
    if order_id not in started:
        request.session[STARTED] = [*started, order_id][-MOST_KEPT:]


def has_started(request: HttpRequest, order_id: int) -> bool:
    return order_id in request.session.get(STARTED, [])


def say_elsewhere(response: HttpResponseRedirect) -> HttpResponseRedirect:
    """Have the page that this leads to say for a while that the buyer came back in another browser."""
    response.set_cookie(ELSEWHERE, "1", max_age=600, path=response.url, httponly=True, samesite="Lax")
    return response


def is_elsewhere(request: HttpRequest) -> bool:
    return ELSEWHERE in request.COOKIES
