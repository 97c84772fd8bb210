"""Every page of the shop: no barrier axe can find, in both themes and at two widths, and what axe can't see."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.conftest import PHONE
from tests.journeys.test_shopping import TYPED, WORDS, check_out, fill_cart, pay

WIDE = {"width": 1440, "height": 900}
ZH = WORDS["zh-CN"]
PROBLEMS = [f"/about/style/problem/{name}/" for name in ("400", "403", "404", "form", "429", "500", "503")]
STANDING = [
    "/", "/category/tea-ware/", "/?q=nothing&stock=1", "/goods/longjing/", "/goods/keemun/", "/cart/", "/checkout/",
    "/orders/find/", "/account/sign-in/", "/account/join/", "/account/forgotten/", "/account/mailed/",
    "/account/password/nothing/", "/about/rules/", "/about/style/", *PROBLEMS,
]  # fmt: skip
ALONE = ("500", "503")  # both languages at once, and no script that could say anything
FACTS = """() => ({
  headings: document.querySelectorAll("h1").length,
  live: document.querySelectorAll("[role=status], [aria-live]:not([role=status])").length,
  timers: [...document.querySelectorAll("[role=timer]")].filter((e) => e.closest("[aria-live], [role=status]")).length,
  refresh: document.querySelectorAll("meta[http-equiv=refresh i]").length,
  first: document.querySelector("a[href], button, input, select, textarea, summary").className,
  landmarks: ["header", "main", "footer"].filter((each) => !document.querySelector(each)),
  sideways: document.documentElement.scrollWidth > innerWidth,
  lang: document.documentElement.lang,
  title: document.title,
})"""


class Pages:
    """Looks at one page after another and keeps what is wrong, by the page's name."""

    def __init__(self, page: Page, axe: Any) -> None:
        self._page, self._axe = page, axe
        self.wrong: dict[str, list[str]] = {}

    def look(self, name: str, *, error: bool = False) -> None:
        """Structure at 360 px, axe in full at the narrow light and the wide dark page, contrast in the other two."""
        found = []
        for size, theme, rules in ((PHONE, "light", None), (PHONE, "dark", ["color-contrast"]),
                                   (WIDE, "light", ["color-contrast"]), (WIDE, "dark", None)):  # fmt: skip
            self._page.set_viewport_size(size)  # type: ignore[arg-type]  # a plain dict
            self._page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]  # one of its words
            found += [f"{theme} {size['width']}: {each}" for each in self._axe(self._page, rules)]
            found += self._faults(error=error)
        if found:
            self.wrong[name] = sorted(set(found))

    def _faults(self, *, error: bool) -> list[str]:
        facts = self._page.evaluate(FACTS)
        alone = self._page.url.rstrip("/").endswith(ALONE)
        wanted: dict[str, Any] = {
            "headings": 1, "live": 0 if alone else 1, "timers": 0, "refresh": 0, "first": "skip", "landmarks": [],
            "sideways": False, "lang": "zh-Hans",
        }  # fmt: skip
        found = [f"{name}: {facts[name]!r}" for name, value in wanted.items() if facts[name] != value]
        title = r"错误：.+ · 山间茶铺" if error else r"(?!错误).+ · 山间茶铺|山间茶铺"
        return found if re.fullmatch(title, facts["title"]) else [*found, f"title: {facts['title']}"]


@pytest.fixture
def pages(page: Page, axe: Any) -> Pages:
    return Pages(page, axe)


def test_every_page_can_be_used_by_everybody(product, page, pages):
    fill_cart(page, product.shop, ZH)
    expect(page.get_by_role("status")).to_contain_text("明前龙井")  # said in the region that was empty at first
    for path in STANDING:
        answer = page.goto(product.shop + path)
        html = answer.text()
        said = re.findall(r'role="status"[^>]*>([^<]*)<', html)
        assert "".join(said).strip() == "", f"{path} is born speaking"
        pages.look(path)
    page.goto(f"{product.shop}/orders/find/")
    page.locator("form.form button").click()
    pages.look("find, refused", error=True)

    assert pages.wrong == {}


def test_the_way_through_the_checkout_can_be_used_by_everybody(product, manage, control, page, pages):
    page.goto(f"{product.shop}/cart/")
    pages.look("empty cart")
    fill_cart(page, product.shop, ZH)
    pages.look("put into the cart")
    page.goto(f"{product.shop}/checkout/")
    page.fill("[name=email]", "lin@")
    page.locator("form.form button.primary").click()
    expect(page.locator("#errors")).to_be_focused()  # the summary is read first
    page.locator("#errors a").first.click()
    expect(page.locator("[name=name]")).to_be_focused()  # its links lead to the fields
    pages.look("details, refused", error=True)
    for name, text in TYPED.items():
        page.fill(f"[name={name}]", text)
    page.locator("form.form button.primary").click()
    pages.look("check and pay")
    check_out(page, product.shop, ZH)
    paying = page.url
    pages.look("paying")
    page.goto(f"{product.shop}/checkout/")
    pages.look("exists already")
    page.goto(paying.replace("/pay/", "/order/"))
    pages.look("order, unpaid")
    page.goto(paying.replace("/pay/", "/order/") + "ask/")
    pages.look("ask us")
    page.goto(paying)
    pay(page, manage, control)
    expect(page.locator("#state h2")).to_contain_text(ZH["paid"])
    pages.look("paid")
    for name in ("", "receipt/"):
        page.goto(paying.replace("/pay/", "/order/") + name)
        pages.look(f"order {name}")
        page.emulate_media(media="print")
        for unwanted in (".head nav", ".foot", "button", ".doors a"):
            assert page.locator(unwanted).locator("visible=true").count() == 0, f"{unwanted} is printed"
        expect(page.locator(".amount")).to_be_visible()
        page.emulate_media(media="screen")

    assert pages.wrong == {}
