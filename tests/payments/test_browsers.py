"""Other apps' browsers, and browsers one comes back in: what they are offered and told. Nothing is ever locked."""

import pytest
from django.test import Client
from django.urls import reverse

AGENTS = {
    "phone": "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/120.0 Mobile Safari/537.36",
    "mqqbrowser": "Mozilla/5.0 (Linux; Android 14) MQQBrowser/14.5 Mobile Safari/537.36",
    "wechat": "Mozilla/5.0 (iPhone) AppleWebKit/605.1.15 Mobile/15E148 MicroMessenger/8.0.44 NetType/WIFI Language/zh_CN",
    "qq": "Mozilla/5.0 (iPhone) AppleWebKit/605.1.15 Mobile/15E148 QQ/9.0.20.610 NetType/WIFI",
    "weibo": "Mozilla/5.0 (iPhone) AppleWebKit/605.1.15 Mobile/15E148 Weibo (iPhone13,2__weibo__13.9.3)",
    "dingtalk": "Mozilla/5.0 (iPhone) AppleWebKit/605.1.15 Mobile/15E148 DingTalk/7.0.50",
    "douyin": "Mozilla/5.0 (Linux; Android 14) Chrome/110 Mobile aweme_280100 BytedanceWebview/d8a21c6",
    "xiaohongshu": "Mozilla/5.0 (iPhone) AppleWebKit/605.1.15 Mobile/15E148 xhsdiscover/8.16 XiaoHongShu",
    "instagram": "Mozilla/5.0 (iPhone) AppleWebKit/605.1.15 Mobile/15E148 Instagram 300.0.0",
    "facebook": "Mozilla/5.0 (iPhone) AppleWebKit/605.1.15 Mobile/15E148 [FBAN/FBIOS;FBAV/440.0]",
    "alipay": "Mozilla/5.0 (iPhone) AppleWebKit/605.1.15 Mobile/15E148 AliApp(AP/10.5.0) AlipayClient/10.5.0 Language/zh-Hans",
}
PAY, CODE, BACK = '<button class="alipay">打开支付宝付款', "支付宝二维码", "付完后没有自动回来的话"
WECHAT, OTHER, COPY = "微信里打不开支付宝", "在浏览器打开", "复制链接"


def page(order, name: str, path: str = "pay") -> str:
    agent = {"User-Agent": AGENTS[name]}
    return Client(headers=agent).get(reverse(f"payments:{path}", args=[order.token])).content.decode()


@pytest.mark.parametrize("name", ["phone", "mqqbrowser"])
def test_a_phones_browser_has_button_hint_and_code(order, unsettled, name):
    shown = page(order, name)

    assert all(words in shown for words in (PAY, CODE, BACK))
    assert OTHER not in shown


@pytest.mark.parametrize("path", ["pay", "state"])
def test_wechat_says_how_to_leave_it_and_keeps_a_small_way_to_try(order, unsettled, path):
    shown = page(order, "wechat", path)

    assert all(words in shown for words in (WECHAT, COPY, "仍要试试", f"https://shop.example/pay/{order.token}/"))
    assert PAY not in shown


@pytest.mark.parametrize("name", ["qq", "weibo", "dingtalk", "douyin", "xiaohongshu", "instagram", "facebook"])
def test_other_apps_keep_the_button_and_get_the_hint(order, unsettled, name):
    shown = page(order, name)

    assert all(words in shown for words in (PAY, CODE, OTHER, COPY))
    assert WECHAT not in shown


def test_inside_alipay_there_is_the_button_alone(order, unsettled):
    shown = page(order, "alipay")

    assert PAY in shown
    assert not any(words in shown for words in (CODE, BACK, OTHER, "显示二维码", "在网页上登录支付宝付款"))


ELSEWHERE = "您从支付宝回到了另一个浏览器"


@pytest.mark.rows("R03")
def test_who_comes_back_in_another_browser_is_told_so_once_and_pays_nothing_again(connected, make_order):
    order, started, other = make_order(), Client(), Client()
    started.post(reverse("payments:start", args=[order.token, "page"]))

    back = reverse("payments:return", args=[order.token])
    assert ELSEWHERE not in started.get(back, follow=True).content.decode()
    assert ELSEWHERE in other.get(back, follow=True).content.decode()
    assert ELSEWHERE not in Client().get(reverse("payments:pay", args=[order.token])).content.decode()


def test_a_session_lost_between_paying_and_coming_back_only_changes_the_greeting(connected, make_order):
    order, browser = make_order(), Client()
    browser.post(reverse("payments:start", args=[order.token, "page"]))
    browser.cookies.clear()

    page = browser.get(reverse("payments:return", args=[order.token]), follow=True).content.decode()
    assert ELSEWHERE in page
    assert "正在向支付宝核实" in page
