import subprocess
from base64 import b64decode, b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.alipay.encryption import decrypted, encrypted, load_content_key
from payments.errors import BadKey, MalformedAnswer

KEY = bytes(range(16))


@given(st.text())
def test_what_was_encrypted_can_be_read_again(text):
    text = text.encode(errors="replace").decode()

    assert decrypted(encrypted(text, KEY), KEY) == text


def test_openssl_decrypts_it_as_alipay_does():
    plain = subprocess.run(
        ["openssl", "enc", "-d", "-aes-128-cbc", "-K", KEY.hex(), "-iv", "00" * 16],
        input=b64decode(encrypted('{"out_trade_no":"龙井"}', KEY)), capture_output=True, check=True,
    ).stdout  # fmt: skip

    assert plain.decode() == '{"out_trade_no":"龙井"}'


@pytest.mark.parametrize("text", ["", "!", "QUJD", b64encode(bytes(32)).decode(), encrypted("龙井", bytes(16))])
def test_what_our_key_did_not_encrypt_is_malformed(text):
    with pytest.raises(MalformedAnswer):
        decrypted(text, KEY)


def test_a_key_is_read_as_the_console_shows_it():
    assert load_content_key(f"  {b64encode(KEY).decode()}\r\n") == KEY


@pytest.mark.parametrize("text", ["", "short", "äöü", b64encode(bytes(15)).decode()])
def test_another_text_is_no_key(text):
    with pytest.raises(BadKey):
        load_content_key(text)
