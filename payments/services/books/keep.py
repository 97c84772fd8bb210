"""Keep a bill file as it came: its hash, and its bytes sealed in parts. Nothing is read from it yet."""

import hashlib
from collections.abc import Iterator
from tempfile import TemporaryFile
from typing import IO, BinaryIO

from django.db import transaction

from payments.models import AuditEvent, BillDay, BillFile, BillPart


def keep_file(day: BillDay, file: BinaryIO, *, kind: BillFile.Kind, source: BillFile.Source, actor: str) -> BillFile:
    """Keep a file, once per day, kind and content: the same bytes again give the same row, whatever became of it."""
    sha256, size = hashlib.sha256(), 0
    for plain in _parts(file):
        sha256.update(plain)
        size += len(plain)
    with transaction.atomic():
        kept, is_new = BillFile.objects.get_or_create(
            day=day, kind=kind, sha256=sha256.hexdigest(), defaults={"source": source, "actor": actor, "size": size}
        )
        if is_new:
            for position, plain in enumerate(_parts(file)):
                BillPart.of(kept, position, plain).save(force_insert=True)
            AuditEvent.objects.add(kept, "kept", actor=actor, cause=kept.evidence, state=kept.state, kind=kind)
    return kept


def open_file(kept: BillFile) -> IO[bytes]:
    """Its bytes again, in a file without a name that is gone when it is closed. Raises InvalidSeal."""
    file = TemporaryFile()  # noqa: SIM115  # the caller closes it
    for part in kept.parts.order_by("position").iterator(chunk_size=1):
        file.write(part.plain())
    file.seek(0)
    return file


def _parts(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    while plain := file.read(BillPart.LENGTH):
        yield plain
