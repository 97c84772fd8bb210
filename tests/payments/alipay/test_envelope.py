import json
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from payments.alipay.encryption import encrypted
from payments.alipay.envelope import read_answer
from payments.alipay.keys import Credentials
from payments.alipay.signing import sign
from payments.errors import BadSignature, MalformedAnswer

KEY, OTHER = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
WHO = Credentials("2021000000000001", "2088000000000001", KEY, (KEY.public_key(),))
QUERY = "alipay.trade.query"
NODE = '{"code":"10000","msg":"Success","out_trade_no":"A1","qr":"https:\\/\\/qr.alipay.com\\/bax1","subject":"龙井"}'


def answer(
    node: str = NODE, *, root: str = "alipay_trade_query_response", signed_as: str | None = None, key=KEY, **more: str
) -> bytes:
    """An answer whose signature covers the node as given, or as `signed_as` spells it."""
    members = "".join(f',"{name}":"{value}"' for name, value in more.items())
    return f'{{"{root}":{node}{members},"sign":"{sign((signed_as or node).encode(), key)}"}}'.encode()


def test_a_genuine_answer_is_read():
    node = read_answer(answer(), method=QUERY, who=WHO)

    assert node.is_signed
    assert node.text("qr") == "https://qr.alipay.com/bax1"
    assert node.text("subject") == "龙井"


def test_certificate_mode_puts_a_serial_number_between_node_and_signature():
    assert read_answer(answer(alipay_cert_sn="abc"), method=QUERY, who=WHO).text("code") == "10000"


def test_the_signature_may_stand_first_and_blanks_anywhere():
    signature = sign(NODE.encode(), KEY)
    body = f' {{ "sign" : "{signature}" ,\n"alipay_trade_query_response" :\t{NODE} }} '.encode()

    assert read_answer(body, method=QUERY, who=WHO).text("out_trade_no") == "A1"


def test_one_of_two_keys_is_enough_while_they_are_exchanged():
    assert read_answer(
        answer(), method=QUERY, who=replace(WHO, alipay_keys=(OTHER.public_key(), *WHO.alipay_keys))
    ).is_signed


@pytest.mark.parametrize("signed_as", [NODE.replace("\\/", "/"), NODE], ids=["slashes plain", "slashes escaped"])
def test_a_signature_over_the_other_spelling_of_slashes_is_accepted(signed_as: str):
    for node in (NODE, NODE.replace("\\/", "/")):
        assert read_answer(answer(node, signed_as=signed_as), method=QUERY, who=WHO).text("qr").startswith("https://")


def test_where_spellings_differ_in_meaning_the_signed_one_is_read():
    signed = r'{"code":"10000","note":"a\/b"}'
    sent = r'{"code":"10000","note":"a\\/b"}'

    assert read_answer(answer(sent, signed_as=signed), method=QUERY, who=WHO).text("note") == "a/b"


@pytest.mark.parametrize(
    "body",
    [
        answer(key=OTHER),
        answer(signed_as=NODE.replace("A1", "A2")),
        answer(NODE.replace("A1", "A2"), signed_as=NODE),
        answer(json.dumps(json.loads(NODE), sort_keys=True), signed_as=NODE),  # keys in another order
        answer(NODE.replace(",", ", "), signed_as=NODE),
        f'{{"alipay_trade_query_response":{NODE},"sign":""}}'.encode(),
        f'{{"alipay_trade_query_response":{NODE},"sign":["x"]}}'.encode(),
        f'{{"alipay_trade_query_response":{NODE}}}'.encode(),  # a success without a signature
        b'{"alipay_trade_query_response":{"code":"10003"}}',
        b'{"alipay_trade_query_response":{"msg":"no code"}}',
    ],
)
def test_an_answer_alipay_did_not_sign_is_not_believed(body: bytes):
    with pytest.raises(BadSignature):
        read_answer(body, method=QUERY, who=WHO)


def test_a_failure_may_come_unsigned_and_says_so():
    node = read_answer(b'{"error_response":{"code":"40002","sub_code":"isv.invalid-app-id"}}', method=QUERY, who=WHO)

    assert not node.is_signed


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<html>502</html>", b"null", b"[]", b'{"a":1', b"{}", b'{"sign":"x"}', b"\xff\xfe", answer()[:-1],
        answer(root="alipay_trade_close_response"),  # the answer to another method
        answer() + b"{}",
        answer('{"code":"10000","code":"10000"}'),  # a name twice, signed or not
        answer('{"code":"10000","x":NaN}'),
        answer()[:-1] + b',"alipay_trade_query_response":{"code":"10000","total_amount":"0.01"}}',
        b'{"alipay_trade_query_response":' + b"[" * 100_000,
        answer('"base64 of something encrypted"'),
    ],
)  # fmt: skip
def test_what_cannot_be_read_once_and_only_once_is_refused(body: bytes):
    with pytest.raises(MalformedAnswer):
        read_answer(body, method=QUERY, who=WHO)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=50), st.booleans())
def test_nothing_inside_a_subject_disturbs_the_reading(subject: str, ascii_only: bool):
    tricky = subject + '","sign":"x"},{}\\'
    node = json.dumps({"code": "10000", "subject": tricky}, ensure_ascii=ascii_only)

    assert read_answer(answer(node), method=QUERY, who=WHO).text("subject") == tricky


@given(st.data())
def test_one_changed_byte_is_never_accepted(data: st.DataObject):
    body = bytearray(answer())
    at = data.draw(st.integers(body.index(b'{"code"'), body.index(b',"sign"') - 1))
    body[at] = data.draw(st.integers(0, 255).filter(lambda byte: byte != body[at]))

    with pytest.raises((BadSignature, MalformedAnswer)):
        read_answer(bytes(body), method=QUERY, who=WHO)


CONTENT_KEY = bytes(range(16))
ENCRYPTS = replace(WHO, content_key=CONTENT_KEY)


def test_an_encrypted_answer_is_verified_with_its_quotes_and_then_read():
    node = json.dumps(encrypted(NODE, CONTENT_KEY))

    assert read_answer(answer(node), method=QUERY, who=ENCRYPTS).text("subject") == "龙井"


def test_a_refusal_may_come_plain_although_we_encrypt():
    assert read_answer(answer(), method=QUERY, who=ENCRYPTS).text("subject") == "龙井"


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (answer(json.dumps(encrypted(NODE, bytes(16)))), MalformedAnswer),  # another AES key
        (answer(json.dumps(encrypted(NODE, CONTENT_KEY)), signed_as=NODE), BadSignature),  # signed the plain text
        (answer(json.dumps(encrypted(NODE + NODE, CONTENT_KEY))), MalformedAnswer),
        (answer(json.dumps(encrypted('"words"', CONTENT_KEY))), MalformedAnswer),
        (f'{{"alipay_trade_query_response":"{encrypted(NODE, CONTENT_KEY)}"}}'.encode(), MalformedAnswer),  # unsigned
    ],
)
def test_an_encrypted_answer_that_does_not_hold_is_refused(body, error):
    with pytest.raises(error):
        read_answer(body, method=QUERY, who=ENCRYPTS)


def test_without_an_aes_key_an_encrypted_answer_is_not_read():
    with pytest.raises(MalformedAnswer, match="no AES key"):
        read_answer(answer(json.dumps(encrypted(NODE, CONTENT_KEY))), method=QUERY, who=WHO)
