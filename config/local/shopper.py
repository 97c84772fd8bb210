"""A shopper without a browser: follows links and presses buttons of the shop by plain HTTP, as a page without script does."""

import html
import http.cookiejar
import re
import urllib.error
import urllib.parse
import urllib.request

from config.local.purchase import StepFailed

CONTACT = {
    "name": "林小满", "mobile": "138 0000 0000", "region": "浙江省杭州市西湖区", "address": "龙井路 1 号",
    "email": "lin@example.com", "note": "",
}  # fmt: skip


class Shopper:
    """Keeps cookies and the page it is on. Every page it opens must answer 200; else StepFailed."""

    def __init__(self, shop: str) -> None:
        self.shop, self.url, self.page = shop, "", ""
        self._jar = http.cookiejar.CookieJar()
        self._browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self._jar))
        self._browser.addheaders = [("Accept-Language", "en")]

    def open(self, path: str) -> str:
        """Go to a page of the shop; its text."""
        return self._go(urllib.request.Request(urllib.parse.urljoin(self.shop, path)))

    def press(self, path: str, **values: str) -> str:
        """Send a form of the page that is open; the text of the page that follows."""
        form = {"csrfmiddlewaretoken": self.value("csrfmiddlewaretoken"), **values}
        body = urllib.parse.urlencode(form).encode()
        target = urllib.parse.urljoin(self.shop, path)
        return self._go(urllib.request.Request(target, data=body, headers={"Referer": self.url}))

    def value(self, name: str) -> str:
        """What the open page has filled into a field. Raises StepFailed when there is no such field."""
        return self.found(rf'name="{name}" value="([^"]*)"', f"a field {name}")

    def found(self, pattern: str, what: str) -> str:
        """The first group of a pattern in the open page. Raises StepFailed."""
        match = re.search(pattern, self.page, re.S)
        if match is None:
            raise StepFailed(f"{self.url} has no {what}")
        return html.unescape(match[1])

    def cookies(self) -> str:
        """All of them, as a Cookie header writes them."""
        return "; ".join(f"{each.name}={each.value}" for each in self._jar)

    def _go(self, request: urllib.request.Request) -> str:
        try:
            with self._browser.open(request, timeout=20) as answer:
                self.url, self.page = answer.url, answer.read().decode()
        except urllib.error.HTTPError as error:
            raise StepFailed(f"{request.full_url} answers {error.code}") from None
        return self.page
