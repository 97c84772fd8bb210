"""Pages for what goes wrong: the right status, words of what to do, and no more asked than may be there."""

import re

import pytest
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.core.management import CommandError, call_command
from django.http import HttpResponse
from django.test import Client
from django.urls import path

from config.urls import handler400, handler403, handler404, handler500, urlpatterns

STALE = {"number": "2026 1123 0000 0000", "mobile": "138 0000 0000", "password": "secret", "csrfmiddlewaretoken": "x"}


def raising(error: Exception):
    def view(_request) -> HttpResponse:
        raise error

    return view


class Urls:
    handler400, handler403, handler404, handler500 = handler400, handler403, handler404, handler500
    urlpatterns = (
        path("cut-off/", raising(SuspiciousOperation())), path("not-yours/", raising(PermissionDenied())),
        path("broken/", raising(RuntimeError("what only the log may know"))), *urlpatterns,
    )  # fmt: skip


@pytest.fixture
def visit(settings):
    settings.ROOT_URLCONF = Urls
    client = Client(raise_request_exception=False)
    return lambda address, language="zh-hans": client.get(address, headers={"accept-language": language})


@pytest.mark.parametrize(
    ("address", "status", "zh", "en"),
    [
        ("/cut-off/", 400, "这个请求不完整", "That request was incomplete"),
        ("/not-yours/", 403, "这一页需要您的授权", "This page needs your permission"),
        ("/no/such/page/", 404, "没有这一页", "No such page"),
    ],
)
def test_a_problem_is_told_with_its_status_in_the_readers_language(visit, address, status, zh, en):
    for language, words in (("zh-hans", zh), ("en", en)):
        answer = visit(address, language)
        assert answer.status_code == status
        assert f"<h1>{words}</h1>" in answer.content.decode()
        assert 'name="robots" content="noindex"' in answer.content.decode()
    assert "/orders/find/" in answer.content.decode(), "a way on"


def test_a_fault_of_ours_asks_no_database_says_both_languages_and_nothing_of_the_fault(visit):
    page = visit("/broken/")

    text = page.content.decode()
    assert page.status_code == 500
    assert "我们这边出了问题，已记下" in text
    assert "Something went wrong on our side; it is noted" in text
    assert re.search(r"编号 / <span lang=\"en\">Ref</span> [0-9a-f]{12}", text)
    assert "only the log" not in text
    assert not page.cookies


def test_maintenance_closes_every_page_but_health_without_a_database(client, settings):
    settings.MAINTENANCE_UNTIL = "15:00"

    page = client.get("/pay/some-token/")

    assert (page.status_code, page["Retry-After"], page["Cache-Control"]) == (503, "300", "no-store")
    assert "正在维护，预计 15:00 恢复" in page.content.decode()
    assert "Closed for maintenance, back about 15:00" in page.content.decode()
    assert client.get("/healthz").status_code == 200


def test_the_same_pages_lie_as_whole_files_for_the_proxy(tmp_path, settings):
    settings.SHOP_CONTACT = "0571 8888 0000"
    call_command("problem_pages", str(tmp_path), until="15:00", verbosity=0)

    for name, words in (("500", "不要马上再付"), ("503", "预计 15:00 恢复")):
        page = (tmp_path / f"{name}.html").read_text()
        assert words in page
        assert "0571 8888 0000" in page
        assert "--accent" in page, "carries its style along"
        assert "stylesheet" not in page
    with pytest.raises(CommandError, match="make it first"):
        call_command("problem_pages", str(tmp_path / "none"))


def test_a_stale_form_of_ours_is_offered_once_more_filled_and_then_goes_through(committed_db):
    browser = Client(enforce_csrf_checks=True)
    sent = browser.post("/orders/find/?from=mail", STALE, headers={"origin": "http://testserver"})

    page = sent.content.decode()
    assert sent.status_code == 403
    assert 'name="number" value="2026 1123 0000 0000"' in page
    assert "secret" not in page, "a password is never written into a page"
    token = re.search(
        r'action="/orders/find/\?from=mail"><input type="hidden" name="csrfmiddlewaretoken" value="(\w+)"', page
    )
    assert token, "a form with a token of its own"
    again = {**STALE, "csrfmiddlewaretoken": token[1]}
    pressed = browser.post("/orders/find/?from=mail", again, headers={"origin": "http://testserver"})
    assert pressed.status_code == 400, "the form itself has answered: there is no such order"


@pytest.mark.parametrize("headers", [{"origin": "https://elsewhere.example"}, {"origin": "null"}, {}])
def test_what_another_site_sends_is_not_offered_for_pressing(headers):
    sent = Client(enforce_csrf_checks=True).post("/orders/find/", STALE, headers=headers)

    assert sent.status_code == 403
    assert "2026 1123" not in sent.content.decode()
    assert "什么都没有提交" in sent.content.decode()


def test_the_pages_can_be_looked_at_in_the_demo_alone(settings, client):
    settings.SHOW_STYLE_PAGE = True
    for name, status in (
        ("400", 400),
        ("403", 403),
        ("404", 404),
        ("form", 403),
        ("429", 429),
        ("500", 500),
        ("503", 503),
    ):
        assert client.get(f"/about/style/problem/{name}/").status_code == status
    settings.SHOW_STYLE_PAGE = False
    assert "没有这一页" in client.get("/about/style/problem/429/").content.decode()


def test_waiting_is_said_in_seconds(settings, client):
    settings.SHOW_STYLE_PAGE = True
    answer = client.get("/about/style/problem/429/")

    assert answer["Retry-After"] == "30"
    assert "请等 30 秒再试" in answer.content.decode()
    assert "已经在付的款不受影响" in answer.content.decode()
