from base64 import b64encode
from urllib.parse import quote_plus, urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from payments.alipay.facts import RefundFacts, TradeFacts, TradeStatus
from payments.alipay.notices import Notice, facts_of, read_form, verified
from payments.alipay.signing import notice_text, sign
from payments.errors import BadSignature, MalformedNotice
from payments.money import Money
from tests.conftest import beijing

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
KEYS = (KEY.public_key(),)
PAID = {
    "charset": "utf-8", "sign_type": "RSA2", "notify_id": "n1", "notify_time": "2026-11-22 14:32:11", "app_id": "2021",
    "seller_id": "2088", "out_trade_no": "A1", "trade_no": "2026", "trade_status": "TRADE_SUCCESS", "total_amount": "88.80",
    "receipt_amount": "80.00", "gmt_payment": "2026-11-22 14:32:10", "subject": "龙井 50% & 茶=杯+1",
    "fund_bill_list": '[{"amount":"88.80","fundChannel":"ALIPAYACCOUNT"}]', "a_field_of_next_year": "kept",
}  # fmt: skip


def signed(fields: dict[str, str], *, keep_empty: bool = False) -> dict[str, str]:
    text = notice_text(fields, keep_empty=keep_empty).encode(fields.get("charset", "utf-8"))
    return {**fields, "sign": sign(text, KEY)}


def read(fields: dict[str, str]) -> Notice:
    encoding = "gbk" if fields["charset"] == "GBK" else "utf-8"
    body = urlencode(fields, encoding=encoding).encode()
    return verified(read_form(body), KEYS)


def test_a_genuine_notice_becomes_facts():
    facts = facts_of(read(signed(PAID)))

    assert facts == TradeFacts(
        app_id="2021", seller_id="2088", out_trade_no="A1", status=TradeStatus.PAID, trade_no="2026", total=Money(8880),
        total_text="88.80", receipt=Money(8000), paid_at=beijing("2026-11-22 14:32:10"),
    )  # fmt: skip


def test_neither_sign_nor_sign_type_is_part_of_what_is_signed():
    assert notice_text({"sign": "x", "sign_type": "RSA2", "a": "1"}, keep_empty=False) == "a=1"


def test_a_notice_in_gbk_is_read_in_gbk():
    assert read(signed({**PAID, "charset": "GBK"})).get("subject") == PAID["subject"]


@pytest.mark.parametrize("keep_empty", [True, False])
def test_empty_values_verify_whichever_way_alipay_signs_them(keep_empty: bool):
    fields = {**PAID, "body": ""}

    assert read(signed(fields, keep_empty=keep_empty)).get("body") == ""


def test_values_are_decoded_once():
    fields = {**PAID, "passback_params": "100%2B1+%"}

    assert read(signed(fields)).get("passback_params") == "100%2B1+%"


@pytest.mark.parametrize("name", PAID)
def test_one_altered_field_spoils_it(name: str):
    with pytest.raises((BadSignature, MalformedNotice)):
        read({**signed(PAID), name: PAID[name] + "1"})


@pytest.mark.parametrize("word", ["RSA", "MD5", "none", "rsa2", ""])
def test_only_rsa2_is_taken(word: str):
    with pytest.raises(BadSignature):
        read(signed({**PAID, "sign_type": word}))


@pytest.mark.parametrize(
    "body",
    [
        b"a=1&a=2", b"a=1&b=%zz", b"a=%E9%BE", b"a=\xe9", b"a=1 2", b"a=1\r\nb=2", b"charset=utf-7&a=1", b"charset=ibm037&a=1",
        b"charset=gbk&a=%81", b"a=%00", b"=1", b"a b=1", b"", b"x" * 70_000, b"&".join(b"f%d=1" % at for at in range(101)),
        b'{"a":1}', b"<a>1</a>",
    ],
)  # fmt: skip
def test_a_body_that_two_readers_could_read_differently_is_refused(body: bytes):
    with pytest.raises(MalformedNotice):
        read_form(body)


@pytest.mark.parametrize("hint", ["refund_fee", "gmt_refund", "out_biz_no"])
@pytest.mark.parametrize("status", ["TRADE_SUCCESS", "TRADE_CLOSED"])
def test_any_refund_field_makes_it_a_message_about_a_refund(hint: str, status: str):
    value = {"refund_fee": "30.00", "gmt_refund": "2026-11-23 10:00:00.123", "out_biz_no": "R1"}[hint]

    facts = facts_of(read(signed({**PAID, "trade_status": status, hint: value})))

    assert isinstance(facts, RefundFacts)


def test_refund_fee_is_the_total_refunded_so_far():
    fields = {**PAID, "refund_fee": "30.00", "gmt_refund": "2026-11-23 10:00:00.123", "out_biz_no": "R1"}

    facts = facts_of(read(signed(fields)))

    assert isinstance(facts, RefundFacts)
    assert (facts.refunded_total, facts.out_request_no) == (Money(3000), "R1")
    assert facts.refunded_at == beijing("2026-11-23 10:00:00.123")


def test_a_resent_notice_has_the_same_fingerprint_and_another_event_has_not():
    first = read(signed(PAID))
    resent = read(signed({**PAID, "notify_time": "2026-11-22 14:36:11"}))
    other = read(signed({**PAID, "notify_id": "n2"}))

    assert first.fingerprint == resent.fingerprint != other.fingerprint


def test_fields_cannot_be_shifted_into_each_other_under_one_fingerprint():
    assert Notice({"a": "1&b=2"}, "utf-8").fingerprint != Notice({"a": "1", "b": "2"}, "utf-8").fingerprint


@given(
    st.dictionaries(
        st.from_regex(r"[a-z_]{1,12}", fullmatch=True),
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40),
    )
)
def test_any_fields_signed_by_alipay_are_read_as_they_were_signed(more: dict[str, str]):
    fields = {**more, **PAID}

    assert read(signed(fields)).fields == {name: value for name, value in signed(fields).items() if value}


@given(st.binary(max_size=300))
def test_no_bytes_whatsoever_crash_the_reader(body: bytes):
    try:
        notice = read_form(body)
    except MalformedNotice:
        return
    with pytest.raises(BadSignature):
        verified(notice, KEYS)


@pytest.mark.parametrize("signature", ["", "x", "A" * 344, b64encode(b"0" * 256).decode(), "=" * 10, "A" * 1_000, "é"])
def test_a_signature_that_is_none_is_no_crash(signature: str):
    notice = Notice({**PAID, "sign": signature}, "utf-8")

    with pytest.raises(BadSignature):
        verified(notice, KEYS)


def test_a_plus_in_the_signature_must_travel_encoded():
    """The commonest accident: a "+" sent bare arrives as a space, and the notice is refused, not half believed."""
    fields = signed(PAID)
    while "+" not in fields["sign"]:
        fields = signed({**PAID, "notify_id": fields["notify_id"] + "x"})
    body = "&".join(f"{name}={value if name == 'sign' else quote_plus(value)}" for name, value in fields.items())

    with pytest.raises((BadSignature, MalformedNotice)):
        verified(read_form(body.encode()), KEYS)


def test_a_field_whose_name_begins_like_the_charset_does_not_hide_it():
    fields = {"charset_of_old": "x", **PAID, "charset": "GBK"}

    assert read(signed(fields)).get("subject") == PAID["subject"]


@pytest.mark.parametrize(
    "body", [b"charset&a=1", b"charset=&a=1", b"a%5Fb=1", b"a=1%", b"a=%%41", b"a=%4", b"a+b=1", b"&a=1", b""]
)
def test_escapes_and_names_that_are_none_are_refused(body: bytes):
    with pytest.raises(MalformedNotice):
        read_form(body)


def test_a_field_that_nobody_signed_because_it_is_empty_is_not_handed_on():
    body = urlencode(signed(PAID)).encode() + b"&added_on_the_way="

    notice = verified(read_form(body), KEYS)

    assert "added_on_the_way" not in notice.fields
    assert notice.fingerprint == read(signed(PAID)).fingerprint
