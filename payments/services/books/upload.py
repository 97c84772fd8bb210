"""A bill that a person downloaded at Alipay, for merchants whose application may not ask for bills."""

from datetime import date
from typing import BinaryIO

from payments.alipay.bill_download import LARGEST_BILL
from payments.errors import MalformedBill
from payments.models import BillFile, MerchantAccount
from payments.services.books.days import day_of
from payments.services.books.imported import note_imported
from payments.services.books.keep import keep_file
from payments.services.books.read import read_file


def upload_bill(account: MerchantAccount, day: date, file: BinaryIO, *, kind: BillFile.Kind, actor: str) -> BillFile:
    """Keep and read an uploaded zip. The same file twice changes nothing.

    actor  "staff:7"
    Raises MalformedBill with the reason: then nothing of it was taken, and the file is kept as refused.
    """
    file.seek(0, 2)
    if file.tell() > LARGEST_BILL:
        raise MalformedBill(f"more than {LARGEST_BILL} bytes")
    kept = keep_file(day_of(account, day), file, kind=kind, source=BillFile.Source.UPLOADED, actor=actor)
    read = read_file(kept)
    if read.state == BillFile.State.REFUSED:
        raise MalformedBill(read.reason)
    note_imported(read.day)
    read.day.refresh_from_db()
    return read
