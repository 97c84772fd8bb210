"""python-alipay-sdk against the pretend Alipay, every method it offers. config/local/sdk_proof.py runs it with its own Python."""

import datetime
import io
import time
import urllib.parse
import zipfile

from alipay import AliPay, DCAliPay, ISVAliPay
from alipay.exceptions import AliPayException, AliPayValidationError

from tests.sandbox.walk import Walk, refuses

walk = Walk()
step, number = walk.step, walk.number
NOTIFY = "http://127.0.0.1:9/notify"
keys = {"appid": walk.text("app_id").strip(), "app_private_key_string": walk.text("app_private_key.pem")}
if walk.words.mode == "key":
    sdk = AliPay(**keys, alipay_public_key_string=walk.text("alipay_public_key.pem"), app_notify_url=NOTIFY)
else:
    sdk = DCAliPay(
        **keys, app_public_key_cert_string=walk.text(f"appCertPublicKey_{keys['appid']}.crt"),
        alipay_public_key_cert_string=walk.text("alipayCertPublicKey_RSA2.crt"),
        alipay_root_cert_string=walk.text("alipayRootCert.crt"), app_notify_url=NOTIFY,
    )  # fmt: skip
sdk._gateway = walk.gateway
TEA = '明前龙井 50 克 (春) 100% + "好茶" 🍵'


def fails(sub_code, call):
    """The gateway itself refuses, and says so without a signature."""
    said = ""
    try:
        call()
    except AliPayException as error:
        said = str(error)
    assert sub_code in said, f"{sub_code} was expected, not {said!r}"


def paid(name, amount="88.80", **more):
    sdk.api_alipay_trade_precreate(TEA, number(name), amount, **more)
    return walk.control("pay", out_trade_no=number(name))["trade_no"]


@step("precreate, query before and after the scan, payment")
def _():
    answer = sdk.api_alipay_trade_precreate(TEA, number("q"), 88.8)
    assert "/qr/" in answer["qr_code"], answer
    refuses("ACQ.TRADE_NOT_EXIST", sdk.api_alipay_trade_query(out_trade_no=number("q")))
    walk.control("scan", out_trade_no=number("q"))
    assert sdk.api_alipay_trade_query(out_trade_no=number("q"))["trade_status"] == "WAIT_BUYER_PAY"
    trade_no = walk.control("pay", out_trade_no=number("q"))["trade_no"]
    found = sdk.api_alipay_trade_query(trade_no=trade_no)
    assert (found["trade_status"], found["total_amount"], found["subject"]) == ("TRADE_SUCCESS", "88.80", TEA), found


@step("page pay")
def _():
    query = sdk.api_alipay_trade_page_pay(TEA, number("p"), "12.30", return_url="http://127.0.0.1:9/back")
    assert "12.30" in walk.page(query)
    refuses("ACQ.TRADE_NOT_EXIST", sdk.api_alipay_trade_query(out_trade_no=number("p")))
    assert walk.control("pay", url=f"{walk.gateway}?{query}")["trade_status"] == "TRADE_SUCCESS"


@step("wap pay")
def _():
    assert "product_code" in walk.page(
        sdk.api_alipay_trade_wap_pay(TEA, number("w0"), "1")
    )  # its default is a wrong one
    query = sdk.api_alipay_trade_wap_pay(TEA, number("w"), "0.01", product_code="QUICK_WAP_WAY")
    assert walk.control("pay", url=f"{walk.gateway}?{query}")["trade_status"] == "TRADE_SUCCESS"


@step("app pay")
def _():
    order = sdk.api_alipay_trade_app_pay(TEA, number("a"), "5.00")
    assert walk.control("pay", url=order)["trade_status"] == "TRADE_SUCCESS"


@step("a tampered address is refused")
def _():
    query = sdk.api_alipay_trade_page_pay(TEA, number("t"), "12.30")
    assert "isv.invalid-signature" in walk.page(query.replace("12.30", "00.01"))


@step("barcode: pays, asks for a password, balance too low, risk, used code")
def _():
    def scan(name, code, amount="10.00"):
        return sdk.api_alipay_trade_pay(number(name), "bar_code", code, TEA, total_amount=amount)

    mine = f"28{time.time_ns() % 10**16:016d}"
    answer = scan("b1", mine)
    assert (answer["code"], answer["receipt_amount"]) == ("10000", "10.00"), answer
    assert scan("b2", f"28{time.time_ns() % 10**16:016d}", "1000.01")["code"] == "10003"
    assert scan("b3", f"25000001{time.time_ns() % 10**10:010d}")["code"] == "10003"
    walk.control("pay", out_trade_no=number("b3"))
    assert sdk.api_alipay_trade_query(out_trade_no=number("b3"))["trade_status"] == "TRADE_SUCCESS"
    refuses("ACQ.BUYER_BALANCE_NOT_ENOUGH", scan("b4", "250000020000000000"))
    refuses("ACQ.PAYMENT_REQUEST_HAS_RISK", scan("b5", "250000030000000000"))
    refuses("ACQ.PAYMENT_AUTH_CODE_INVALID", scan("b6", mine))


@step("create, close, close again")
def _():
    answer = sdk.api_alipay_trade_create(TEA, number("c"), "3.00", buyer_id="2088000000000001")
    assert sdk.api_alipay_trade_query(trade_no=answer["trade_no"])["trade_status"] == "WAIT_BUYER_PAY"
    assert sdk.api_alipay_trade_close(out_trade_no=number("c"))["trade_no"] == answer["trade_no"]
    refuses("ACQ.TRADE_STATUS_ERROR", sdk.api_alipay_trade_close(out_trade_no=number("c")))
    refuses("ACQ.TRADE_NOT_EXIST", sdk.api_alipay_trade_close(out_trade_no=number("nothing")))


@step("cancel: unpaid is closed, paid is refunded, unknown names no action")
def _():
    sdk.api_alipay_trade_precreate(TEA, number("x1"), "1.00")
    assert "action" not in sdk.api_alipay_trade_cancel(out_trade_no=number("x1"))
    walk.control("scan", out_trade_no=number("x1"))
    assert sdk.api_alipay_trade_cancel(out_trade_no=number("x1"))["action"] == "close"
    paid("x2")
    assert sdk.api_alipay_trade_cancel(out_trade_no=number("x2"))["action"] == "refund"
    assert sdk.api_alipay_trade_query(out_trade_no=number("x2"))["trade_status"] == "TRADE_CLOSED"


@step("refund in parts, replayed, with another amount, too much, too soon, in full")
def _():
    trade_no = paid("r", "10.00")

    def refund(amount, request):
        return sdk.api_alipay_trade_refund(amount, trade_no=trade_no, out_request_no=request)

    answer = refund("4.00", "R1")
    assert (answer["fund_change"], answer["refund_fee"]) == ("Y", "4.00"), answer
    assert refund("4.00", "R1")["fund_change"] == "N"
    refuses("ACQ.DISCORDANT_REPEAT_REQUEST", refund("4.01", "R1"))
    refuses("ACQ.REFUND_AMT_NOT_EQUAL_TOTAL", refund("6.01", "R2"))
    refuses("ACQ.SYSTEM_ERROR", refund("6.00", "R3"))
    walk.control("clock", ahead_s=5)
    answer = refund("6.00", "R3")
    walk.control("clock", ahead_s=0)
    assert (answer["fund_change"], answer["refund_fee"]) == ("Y", "10.00"), answer
    assert sdk.api_alipay_trade_query(trade_no=trade_no)["trade_status"] == "TRADE_CLOSED"
    refuses("ACQ.TRADE_HAS_CLOSE", refund("1.00", "R4"))


@step("refund query: done, unknown number, unknown trade")
def _():
    trade_no = paid("f")
    sdk.api_alipay_trade_refund("1.00", trade_no=trade_no, out_request_no="R1")
    found = sdk.api_alipay_trade_fastpay_refund_query("R1", out_trade_no=number("f"))
    assert (found["refund_status"], found["refund_amount"]) == ("REFUND_SUCCESS", "1.00"), found
    assert sdk.api_alipay_trade_fastpay_refund_query("R2", trade_no=trade_no) == {"code": "10000", "msg": "Success"}
    refuses("ACQ.TRADE_NOT_EXIST", sdk.api_alipay_trade_fastpay_refund_query("R1", out_trade_no=number("nothing")))


@step("the same number with other content; amounts and subjects out of bounds")
def _():
    sdk.api_alipay_trade_precreate(TEA, number("e"), "1.00")
    refuses("ACQ.CONTEXT_INCONSISTENT", sdk.api_alipay_trade_precreate(TEA, number("e"), "2.00"))
    refuses("ACQ.TOTAL_FEE_EXCEED", sdk.api_alipay_trade_precreate(TEA, number("e1"), "100000000.01"))
    refuses("ACQ.INVALID_PARAMETER", sdk.api_alipay_trade_precreate("a=b", number("e2"), "1"))
    refuses("ACQ.INVALID_PARAMETER", sdk.api_alipay_trade_precreate(TEA, "a-b", "1"))


@step("a notice verifies, an altered one does not")
def _():
    paid("n", passback_params="cGFzcw%3D%3D")
    walk.control("resend", out_trade_no=number("n"))
    fields = walk.notice(number("n"))
    signature = fields.pop("sign")
    assert (fields["trade_status"], fields["subject"]) == ("TRADE_SUCCESS", TEA)
    assert sdk.verify(dict(fields), signature)
    assert not sdk.verify({**fields, "total_amount": "0.01"}, signature)


def bill(bill_type):
    walk.control("clock", ahead_s=40 * 86400)  # this month's bills are out by then
    today = datetime.datetime.now(datetime.timezone(datetime.timedelta(hours=8))).date().isoformat()
    try:
        answer = sdk.server_api(
            "alipay.data.dataservice.bill.downloadurl.query", {"bill_type": bill_type, "bill_date": today}
        )
        archive = zipfile.ZipFile(io.BytesIO(walk.fetched(answer["bill_download_url"])))
    finally:
        walk.control("clock", ahead_s=0)
    names = {each.encode("cp437").decode("gbk"): each for each in archive.namelist()}
    detail = next(names[each] for each in names if each.endswith("明细.csv"))
    return list(names), archive.read(detail).decode("gbk").split("\r\n")


@step("trade bill: asked for, downloaded, read")
def _():
    names, lines = bill("trade")
    assert [each.rsplit("_", 1)[-1] for each in names] == ["业务明细.csv", "业务明细(汇总).csv"], names
    rows = [line for line in lines if f",{number('r')}\t," in line]
    assert len(rows) == 3, rows  # a payment and two refunds
    assert lines[0] == "#支付宝业务明细查询"


@step("account bill: asked for, downloaded, its balance runs")
def _():
    names, lines = bill("signcustomer")
    assert [each.rsplit("_", 1)[-1] for each in names] == ["账务明细.csv", "账务汇总.csv"], names
    cells = [line.rsplit(",", 6)[1:4] for line in lines if line and not line.startswith("#")][1:]
    balance = 0
    for income, expense, shown in cells:
        balance += round(float(income) * 100) + round(float(expense) * 100)
        assert balance == round(float(shown) * 100), (income, expense, shown)


@step("no bill of a day that is not over")
def _():
    answer = sdk.server_api(
        "alipay.data.dataservice.bill.downloadurl.query", {"bill_type": "trade", "bill_date": "2099-01-01"}
    )
    refuses("isp.bill_not_exist", answer)


@step("faults: a wrong signature, too many calls, a system error after success")
def _():
    sdk.api_alipay_trade_precreate(TEA, number("l"), "1.00")
    walk.control("faults", bad_answer_signature=1)
    try:
        sdk.api_alipay_trade_query(out_trade_no=number("l"))
    except AliPayValidationError:
        pass
    else:
        raise AssertionError("a wrong signature was believed")
    walk.control("faults", rate_limit=1)
    fails("isv.app-call-limited", lambda: sdk.api_alipay_trade_query(out_trade_no=number("l")))
    trade_no = walk.control("pay", out_trade_no=number("l"))["trade_no"]
    walk.control("faults", error_after=1, method="alipay.trade.refund")
    refuses("ACQ.SYSTEM_ERROR", sdk.api_alipay_trade_refund("1.00", trade_no=trade_no, out_request_no="R1"))
    assert sdk.api_alipay_trade_refund("1.00", trade_no=trade_no, out_request_no="R1")["fund_change"] == "N"


@step("what this Alipay does not offer, and who it does not know")
def _():
    fails(
        "isv.invalid-method", lambda: sdk.api_alipay_fund_trans_toaccount_transfer("o1", "ALIPAY_LOGONID", "a@b.c", 1)
    )
    fails("isv.invalid-method", lambda: sdk.api_alipay_fund_trans_order_query(out_biz_no="o1"))
    fails("isv.invalid-method", lambda: sdk.api_alipay_trade_order_settle("o1", "t1", []))
    fails("isv.invalid-method", lambda: sdk.api_alipay_ebpp_invoice_token_batchquery("token"))
    if walk.words.mode == "certificate":
        fails("isv.invalid-method", lambda: sdk.api_alipay_fund_trans_uni_transfer("o1", "ALIPAY_USER_ID", "2088", 1))
    else:
        isv = ISVAliPay(**keys, alipay_public_key_string=walk.text("alipay_public_key.pem"), app_auth_token="token")
        isv._gateway = walk.gateway
        refuses("ACQ.TRADE_NOT_EXIST", isv.api_alipay_trade_query(out_trade_no=number("nothing")))
        fails("isv.invalid-method", lambda: isv.api_alipay_open_auth_token_app_query())
    sdk._appid = "2021000000000000"
    try:
        fails("isv.invalid-app-id", lambda: sdk.api_alipay_trade_query(out_trade_no=number("q")))
    finally:
        sdk._appid = keys["appid"]


@step("Alipay's certificate is downloaded by its number (key mode: there is none)")
def _():
    if walk.words.mode == "key":
        answer = sdk.server_api("alipay.open.app.alipaycert.download", {"alipay_cert_sn": "0" * 32})
        refuses("isv.alipay_cert_sn_not_exist", answer)
        return
    paid("d")
    walk.control("resend", out_trade_no=number("d"))
    query = sdk.api_alipay_open_app_alipaycert_download(walk.notice(number("d"))["alipay_cert_sn"])
    assert urllib.parse.quote_plus("alipay.open.app.alipaycert.download") in query
    assert "alipay_cert_content" in walk.page(query)


walk.run()
