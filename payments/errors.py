"""Everything payments raises on purpose, sorted by what the caller may do next.

PaymentsError
├── InvalidAmount        not an amount of money
├── InvalidSeal          a sealed value that was altered, moved to another row, or whose key is gone
├── BooksDisagree        two of our records contradict each other: nothing was written, a person must look
├── OrderRefused         a rule of ours says no: nothing happened, tell the person why
│   └── NotPayable, TooLittleTime, KeyReused, NotACode, TillBusy
├── StillRunning         the same request is being worked on: nothing was done now, come back soon
├── TooManyWebhooks      as many as can be are told already: nothing happened, switch one off first
├── KeyRefused           not an API key in force, or not from this address: nothing is told about which
├── PasskeyRefused       not a passkey of ours, or not for this ceremony: nobody is signed in by it
├── CaseRefused          a rule of ours about cases says no: nothing happened, tell the person why
│   └── CaseOver, MoneyLeft, BillGap
├── RefundRefused        more than is left, unpaid, no longer refundable, or approved by its requester: nothing happened
│   └── NotAllowed, SamePerson, StaleFactor, NotWaiting, RefundableMoved, TooMany, NothingFound, FirstInDoubt
└── AlipayError
    ├── BadGateway       not an address this account's gateway can have: keys and gateway belong together
    ├── BadKey           not a key we can use; the text says what was pasted instead
    ├── BadSignature     not from Alipay: believe nothing in it
    ├── MalformedNotice  not a form we can read once and only once
    ├── MalformedAnswer  not an answer we can read once and only once
    ├── MalformedBill    not one whole bill of this merchant and day: take nothing of it; the text names the line
    │   └── NotABill     an error page or another file in its place: ask for a new link
    ├── LinkRefused      a bill's link that leads anywhere but to Alipay: nothing was connected
    └── NoAnswer         time-out, broken line or 5xx: it MAY have happened; ask with the SAME number before anything else
        └── NotSent      certain that nothing reached Alipay; safe to repeat
            └── GatewayDown  nothing was even tried: it has not answered for a while
"""


class PaymentsError(Exception): ...


class InvalidAmount(PaymentsError, ValueError): ...


class InvalidSeal(PaymentsError): ...


class BooksDisagree(PaymentsError): ...


class OrderRefused(PaymentsError): ...


class NotPayable(OrderRefused): ...


class TooLittleTime(OrderRefused): ...


class KeyReused(OrderRefused): ...


class NotACode(OrderRefused): ...


class TillBusy(OrderRefused): ...


class StillRunning(PaymentsError): ...


class TooManyWebhooks(PaymentsError): ...


class AlipayError(PaymentsError): ...


class BadGateway(AlipayError, ValueError): ...


class BadKey(AlipayError, ValueError): ...


class BadSignature(AlipayError): ...


class MalformedNotice(AlipayError): ...


class MalformedAnswer(AlipayError): ...


class MalformedBill(AlipayError): ...


class NotABill(MalformedBill): ...


class LinkRefused(AlipayError): ...


class NoAnswer(AlipayError): ...


class NotSent(NoAnswer): ...


class GatewayDown(NotSent): ...


class RefundRefused(PaymentsError): ...


class KeyRefused(PaymentsError): ...


class PasskeyRefused(PaymentsError): ...


class CaseRefused(PaymentsError): ...


class CaseOver(CaseRefused): ...


class MoneyLeft(CaseRefused):
    """`fen` of what the case is about still lie in money in cases: decide about them first."""

    def __init__(self, fen: int) -> None:
        super().__init__(f"{fen} fen are still in money in cases")
        self.fen = fen


class BillGap(CaseRefused):
    """A bill has `fen` more than is booked, below zero less: only what books or writes it off ends the case."""

    def __init__(self, fen: int) -> None:
        super().__init__(f"the bill differs from the books by {fen} fen")
        self.fen = fen


class NotAllowed(RefundRefused): ...


class SamePerson(RefundRefused): ...


class FirstInDoubt(RefundRefused): ...


class StaleFactor(RefundRefused): ...


class NotWaiting(RefundRefused): ...


class TooMany(RefundRefused): ...


class NothingFound(RefundRefused): ...


class RefundableMoved(RefundRefused):
    """Somebody refunded meanwhile. `now_fen` is what is refundable at present."""

    def __init__(self, now_fen: int) -> None:
        super().__init__(f"{now_fen} fen are refundable now")
        self.now_fen = now_fen
