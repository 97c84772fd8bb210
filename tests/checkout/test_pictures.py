"""Pictures that come in are pictures, and go out small and without what the camera wrote."""

import io

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from PIL import Image

from checkout.models import Product
from checkout.models.catalogue import size_name
from checkout.services.pictures import MOST_BYTES, PictureRefused, check_picture, write_sizes


def picture(width=1600, height=1200, kind="JPEG", mode="RGB", **more) -> bytes:
    out = io.BytesIO()
    Image.new(mode, (width, height), 128).save(out, kind, **more)
    return out.getvalue()


def checked(content: bytes, size: int | None = None) -> str:
    return check_picture(io.BytesIO(content), size=len(content) if size is None else size)


def stored(content: bytes, name: str) -> Product:
    product = Product(slug="x")
    product.picture.save(name, ContentFile(content), save=False)
    return product


@pytest.mark.parametrize(("kind", "ending"), [("JPEG", ".jpg"), ("PNG", ".png"), ("WEBP", ".webp")])
def test_an_upload_is_named_by_what_it_is(kind, ending):
    name = checked(picture(kind=kind))

    assert name.endswith(ending)
    assert name != checked(picture(kind=kind))


REFUSED = {
    "an SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "a page": b"<!doctype html>",
    "nothing": b"",
    "another kind": picture(kind="GIF", mode="L"),
    "half a picture": picture()[:2000],
    "too wide": picture(6001, 10, "PNG"),
    "too high": picture(10, 6001, "PNG"),
}


@pytest.mark.parametrize("content", REFUSED.values(), ids=REFUSED)
def test_what_is_no_picture_of_ours_is_refused_in_words(content):
    with pytest.raises(PictureRefused) as refused:
        checked(content)
    assert str(refused.value)


def test_the_largest_allowed_passes_and_one_byte_more_does_not():
    assert checked(picture(6000, 10, "PNG"), size=MOST_BYTES)
    with pytest.raises(PictureRefused, match="5 MB"):
        checked(picture(), size=MOST_BYTES + 1)


@pytest.mark.parametrize(
    ("given", "sizes"),
    [((1600, 1200), [(480, 360), (960, 720)]), ((600, 600), [(480, 480), (600, 600)]), ((300, 900), [(300, 900)] * 2)],
)
def test_two_webp_copies_lie_beside_the_upload(given, sizes):
    product = stored(picture(*given), "tea.jpg")

    names = write_sizes(product.picture)
    assert names == [size_name(str(product.picture.name), width) for width in (480, 960)]
    for name, size in zip(names, sizes, strict=True):
        with default_storage.open(name) as file, Image.open(file) as copy:
            assert (copy.format, copy.size) == ("WEBP", size)


def test_copies_stand_upright_and_carry_no_metadata():
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Somebody's camera"  # turned by a quarter
    product = stored(picture(800, 400, exif=exif), "turned.jpg")

    with default_storage.open(write_sizes(product.picture)[1]) as file, Image.open(file) as copy:
        assert copy.size == (400, 800)
        assert not copy.getexif()


def test_a_see_through_picture_stays_see_through_and_writing_again_keeps_the_names():
    product = stored(picture(kind="PNG", mode="RGBA"), "cup.png")

    assert write_sizes(product.picture) == write_sizes(product.picture)
    with default_storage.open(size_name(str(product.picture.name), 480)) as file, Image.open(file) as copy:
        assert copy.mode == "RGBA"
