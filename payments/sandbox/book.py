"""The pretend Alipay's own book: its trades, and the file they are kept in. Knows nothing of the shop."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from payments.alipay.facts import TradeStatus
from payments.money import Money

OFFERED = "OFFERED"  # a QR code or page that nobody has opened: no trade yet
BALANCE, BANK_CARD = "ALIPAYACCOUNT", "BANKCARD"  # what buyers pay with


@dataclass(slots=True)
class Refund:
    """One refund of a trade: its number (unique within the trade), its own amount, and when.

    to_bank_card   the money goes on to a bank, which takes its time
    tells_deposit  the shop asked to hear of that (deposit_back_info)
    """

    out_request_no: str
    fen: int
    at: datetime
    reason: str = ""
    to_bank_card: bool = False
    tells_deposit: bool = False

    @property
    def amount(self) -> Money:
        return Money(self.fen)


@dataclass(slots=True)
class Trade:
    """One number at Alipay. Amounts in fen, times aware; trade_no is empty until a buyer scans or logs in.

    charset      of the creating request; its notices come in the same one
    time_expire  the end of an unpaid trade; None where it starts to run at login, see `timeout`
    timeout      Alipay's relative text ("90m", "1c"), for products whose clock starts at login
    code_until   until when the QR code can be scanned
    at_counter   paid by a code across a counter, its notices are repeated at once first
    """

    out_trade_no: str
    total_fen: int
    subject: str
    product: str
    content: str
    notify_url: str = ""
    return_url: str = ""
    passback_params: str = ""
    time_expire: datetime | None = None
    qr_code: str = ""
    status: str = OFFERED
    trade_no: str = ""
    created_at: datetime | None = None
    paid_at: datetime | None = None
    closed_at: datetime | None = None
    refunds: list[Refund] = field(default_factory=list)
    charset: str = "utf-8"
    timeout: str = ""
    code_until: datetime | None = None
    at_counter: bool = False
    auth_code: str = ""
    channel: str = BALANCE
    details: dict[str, str] = field(default_factory=dict)  # body, store_id, operator_id, terminal_id

    @property
    def total(self) -> Money:
        return Money(self.total_fen)

    @property
    def refunded(self) -> Money:
        """All that was given back so far."""
        return Money(sum(refund.fen for refund in self.refunds))

    @property
    def exists(self) -> bool:
        return self.status != OFFERED

    @property
    def is_paid(self) -> bool:
        return self.status in (TradeStatus.PAID, TradeStatus.FINISHED)

    def refund(self, out_request_no: str) -> Refund | None:
        """The refund with this number."""
        return next((each for each in self.refunds if each.out_request_no == out_request_no), None)


@dataclass(slots=True)
class Delivery:
    """One notice on its way. fields are signed anew for each try.

    sent      the fields of the last try, as they were signed
    answers   what the shop said so far, one a try; tried_at are the times
    at_once   repeats without a pause before the timetable begins
    """

    notify_id: str
    url: str
    fields: dict[str, str]
    next_at: datetime | None
    tries: int = 0
    answers: list[str] = field(default_factory=list)
    tried_at: list[datetime] = field(default_factory=list)
    sent: dict[str, str] = field(default_factory=dict)
    at_once: int = 0

    @property
    def is_done(self) -> bool:
        return self.next_at is None

    @property
    def is_message(self) -> bool:
        """A message to the application's gateway, which carries its content as JSON; no notice."""
        return "msg_method" in self.fields

    @property
    def number(self) -> str:
        """The out_trade_no it is about."""
        fields = json.loads(self.fields["biz_content"]) if self.is_message else self.fields
        return str(fields["out_trade_no"])


class Book:
    """Trades by number and deliveries by id. With a file, every change is appended to it, and a start reads it back."""

    def __init__(self, path: Path | None = None) -> None:
        self.trades: dict[str, Trade] = {}
        self.deliveries: dict[str, Delivery] = {}
        self._by_trade_no: dict[str, Trade] = {}
        self._by_code: dict[str, Trade] = {}
        self._by_auth_code: dict[str, Trade] = {}
        self._waiting: dict[str, Delivery] = {}
        self._path = path
        if path is not None and path.exists():
            for line in path.read_text().splitlines():
                self._read(line)
            self._compact(path)

    def keep(self, record: Trade | Delivery) -> None:
        """Remember a new or changed record."""
        self._enter(record)
        if self._path is not None:
            with self._path.open("a") as file:
                file.write(_line(record))

    def by_trade_no(self, trade_no: str) -> Trade | None:
        return self._by_trade_no.get(trade_no)

    def by_code(self, code: str) -> Trade | None:
        """The trade whose QR code ends in this code."""
        return self._by_code.get(code)

    def by_auth_code(self, auth_code: str) -> Trade | None:
        """The trade a buyer's payment code was used for: each is good for one."""
        return self._by_auth_code.get(auth_code)

    def waiting(self) -> list[Delivery]:
        """Deliveries with a next try, in the order their notices arose."""
        return list(self._waiting.values())

    def _read(self, line: str) -> None:
        try:
            name, values = json.loads(line, object_hook=_with_times)
        except ValueError:
            return  # the last line of a process that was killed while writing
        if name == "delivery":
            self._enter(Delivery(**values))
            return
        refunds = [Refund(**refund) for refund in values.pop("refunds", [])]
        self._enter(Trade(**values, refunds=refunds))

    def _enter(self, record: Trade | Delivery) -> None:
        if isinstance(record, Delivery):
            self.deliveries[record.notify_id] = record
            if record.is_done:
                self._waiting.pop(record.notify_id, None)
            else:
                self._waiting[record.notify_id] = record
            return
        self.trades[record.out_trade_no] = record
        if record.trade_no:
            self._by_trade_no[record.trade_no] = record
        if record.qr_code:
            self._by_code[record.qr_code.rsplit("/", 1)[-1]] = record
        if record.auth_code and record.exists:
            self._by_auth_code[record.auth_code] = record

    def _records(self) -> Iterator[Trade | Delivery]:
        yield from self.trades.values()
        yield from self.deliveries.values()

    def _compact(self, path: Path) -> None:
        fresh = path.with_suffix(".new")
        fresh.write_text("".join(_line(record) for record in self._records()))
        fresh.replace(path)


def _line(record: Trade | Delivery) -> str:
    return json.dumps([type(record).__name__.lower(), asdict(record)], ensure_ascii=False, default=_plain) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return {"time": value.isoformat()}
    raise TypeError(type(value).__name__)


def _with_times(values: dict[str, Any]) -> Any:
    return datetime.fromisoformat(values["time"]) if values.keys() == {"time"} else values
