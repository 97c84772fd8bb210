"""Pictures of goods: what may come in, and the sizes pages show."""

import io
import secrets
from typing import IO

from django.core.files.base import ContentFile
from django.db.models.fields.files import FieldFile
from django.utils.translation import gettext as _
from PIL import Image, ImageOps

from checkout.errors import CheckoutError
from checkout.models.catalogue import PICTURE_WIDTHS, size_name

MOST_BYTES = 5 * 1024 * 1024
MOST_PX = 6_000  # of either side: 36 megapixels at most are ever decoded
ENDINGS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp"}


class PictureRefused(CheckoutError):
    """Not a picture we take; the text says why, in the reader's language."""


def check_picture(file: IO[bytes], *, size: int) -> str:
    """A name of our own for an upload that is a whole JPEG, PNG or WebP; what it was called before decides nothing.

    size  bytes of the upload
    Raises PictureRefused. Leaves the file at its beginning.
    """
    if size > MOST_BYTES:
        raise PictureRefused(_("The picture is larger than 5 MB."))
    ending = ENDINGS[str(_opened(file).format)]
    file.seek(0)
    return f"{secrets.token_hex(8)}.{ending}"


def write_sizes(picture: FieldFile) -> list[str]:
    """WebP copies 480 and 960 px wide beside a stored upload, without its metadata. Smaller pictures keep their width.

    Returns their names in the storage, as `size_name` tells them. Raises PictureRefused.
    """
    with picture.storage.open(str(picture.name), "rb") as file:
        image = ImageOps.exif_transpose(_opened(file))
    image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    names = []
    for width in PICTURE_WIDTHS:
        copy, out = image.copy(), io.BytesIO()
        copy.thumbnail((width, MOST_PX))
        copy.save(out, "WEBP", quality=82, method=4)
        name = size_name(str(picture.name), width)
        picture.storage.delete(name)
        names.append(picture.storage.save(name, ContentFile(out.getvalue())))
    return names


def _opened(file: IO[bytes]) -> Image.Image:
    """Decoded to the last line. Its sides are looked at before any of it is decoded."""
    file.seek(0)
    try:
        image = Image.open(file, formats=list(ENDINGS))
        too_large = max(image.size) > MOST_PX
        if not too_large:
            image.load()
    except Exception as error:  # damaged pictures break Pillow in as many ways as they can be damaged
        raise PictureRefused(_("This is not a JPEG, PNG or WebP picture, or it is damaged.")) from error
    if too_large:
        raise PictureRefused(_("The picture is more than 6,000 pixels wide or high."))
    return image
