"""Contrast of every pair of colours that the pages put together, in both themes."""

import re

import pytest

from config.local.places import ROOT

STYLES = {name: (ROOT / f"static/shop/{name}.css").read_text() for name in ("shop", "goods", "problem")}
LETTER = (ROOT / "templates/mails/_letter.html").read_text()
DARK = "@media (prefers-color-scheme: dark)"
TEXT, LARGE = 4.5, 3.0  # WCAG 1.4.3; 1.4.11 asks 3 of edges and marks too
GROUNDS = ("paper", "raised")
PAIRS = [(front, ground, TEXT) for front in ("ink", "soft", "accent", "good", "warn", "bad") for ground in GROUNDS] + [
    ("on-accent", "accent", TEXT), ("on-alipay", "alipay", LARGE), ("alipay", "paper", LARGE), ("alipay", "raised", LARGE),
    ("edge", "paper", LARGE), ("edge", "raised", LARGE),
]  # fmt: skip


def tokens(css: str) -> dict[str, str]:
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{3,6})\b", css))


def themes(css: str) -> dict[str, dict[str, str]]:
    """The colour tokens as a reader in each theme gets them."""
    at = css.index(DARK)
    light = tokens(css[:at])
    return {"light": light, "dark": light | tokens(css[at : css.index("\n}\n", at) if "\n}\n" in css[at:] else None])}


def luminance(colour: str) -> float:
    """Relative luminance, as WCAG 2.2 defines it."""
    digits = colour.lstrip("#")
    digits = "".join(each * 2 for each in digits) if len(digits) == 3 else digits
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_pair_of_tokens_can_be_read(theme):
    colours = themes(STYLES["shop"])[theme]

    weak = {
        f"{front} on {ground}": round(contrast(colours[front], colours[ground]), 2)
        for front, ground, least in PAIRS
        if contrast(colours[front], colours[ground]) < least
    }
    assert weak == {}


def test_the_label_on_alipays_blue_is_large_text():
    rule = re.search(r"button\.alipay \{([^}]*)\}", STYLES["shop"])

    assert rule
    size = re.search(r"font-size: ([0-9.]+)rem", rule[1])
    assert size
    assert float(size[1]) * 16 >= 19, "below 19 px bold it would be small text, and 4.1 : 1 too little"
    assert "font-weight: var(--strong)" in rule[1]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_pages_that_stand_alone_use_the_same_colours(theme):
    shop, problem = themes(STYLES["shop"])[theme], themes(STYLES["problem"])[theme]

    assert {name: colour for name, colour in problem.items() if shop[name] != colour} in ({}, {"raised": "#fff"})


def test_no_colour_is_mixed_outside_the_tokens():
    bare = re.compile(r"#[0-9a-f]{3,6}\b")
    known = {colour for theme in themes(STYLES["shop"]).values() for colour in theme.values()}

    rules = re.sub(r"--[a-z-]+: [^;}]+", "", STYLES["shop"] + STYLES["goods"])
    assert set(bare.findall(rules)) <= {"#fff"}, "the white plate of the code alone"
    assert set(bare.findall(LETTER)) <= known


@pytest.mark.parametrize(
    ("one", "other", "ratio"), [("#000", "#ffffff", 21), ("#777777", "#fff", 4.48), ("#1677ff", "#fff", 4.10)]
)
def test_contrast_is_reckoned_as_wcag_does(one, other, ratio):
    assert contrast(one, other) == pytest.approx(ratio, abs=0.01)
