"""QR codes, drawn by our own server: nothing about a payment leaves for a third party."""

import io
from functools import lru_cache

import segno

QUIET_ZONE = 4  # modules of white on every side
LEAST_PX = 280
PICTURE_PX = 600


@lru_cache(maxsize=1024)  # drawing costs milliseconds; the same code is shown again and again
def draw_svg(text: str) -> str:
    """An inline SVG whose modules are whole CSS pixels, black on white, at least 280 px wide with its margin."""
    code = segno.make(text, error="m", micro=False)
    return code.svg_inline(scale=_scale(code, LEAST_PX), border=QUIET_ZONE, dark="#000", light="#fff", omitsize=False)


def draw_png(text: str) -> bytes:
    """A picture to save, at least 600 px wide."""
    code = segno.make(text, error="m", micro=False)
    picture = io.BytesIO()
    code.save(picture, kind="png", scale=_scale(code, PICTURE_PX), border=QUIET_ZONE)
    return picture.getvalue()


def _scale(code: segno.QRCode, least_px: int) -> int:
    modules = code.symbol_size(border=QUIET_ZONE)[0]
    return -(-least_px // int(modules))
