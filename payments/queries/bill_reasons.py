"""Why a bill did not come or was refused, in the reader's language: records keep these reasons in English."""

import re

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

# As `payments.alipay` and `payments.services.books` write them, each {word} standing for what differs from time to time.
REASONS = (
    _("line {line} of the list: {what}"), _("line {line}: {what}"),
    # the zip
    _("an error page or nothing came in the bill's place"), _("this is no zip"), _("the zip is broken: {error}"),
    _("{count} members with the lines of a {kind} bill, among {all}"), _("{count} members; a bill has two"),
    _("member {number} has a name that leads elsewhere"), _("member {number} is a link or a device"),
    _("member {number} is encrypted"), _("member {number} is packed in a way Alipay does not use"),
    _("member {number} unpacks to {size} bytes from {packed}"), _("member {number} unpacks to {size} bytes"),
    _("more than {size} bytes"), _("HTTP {status} in the bill's place"), _("an empty file in the bill's place"),
    _("no zip came; as a rule the link's time was over"),
    # whose it is
    _("the bill of another merchant"), _("the bill of another time: {since} to {until}"),
    _("a heading with dates we can't read"), _("no account or no dates stand above the columns"),
    _("the file holds no columns"), _("no column {names}"), _("a column stands twice"),
    # its lines
    _("the file ends here, without totals"), _("an empty line among the others"), _("income and expense in one"),
    _("{cells} cells under {columns} columns"), _("not an amount: {text}"), _("not a time: {text}"),
    _("longer than {size} bytes"), _("longer than {size} letters"), _("a line longer than {size} bytes from here on"),
    _("a control character from here on"), _("the file breaks off: {error}"), _("not {charset}"), _("the list breaks off"),
    _("a line behind the end of the list"), _("too much stands behind the end of the list"),
    _("the file ends without the totals of {kinds}"),
    _("{kind}合计 says {count} lines and {fen} fen, the lines above are {ours} and {sum}"),
    # the day
    _("reading it ended {count} times without an answer: out of memory?"),
    _("the day is closed: no further bill is read into it"), _("the day has these very lines already, from file {file}"),
    _("the day has another bill already, file {file}, and this one says something else"),
    # what did not come
    _("the account has no keys in use"), _("Alipay has no bill yet"), _("no answer"), _("broken off: see the log"),
    _("Alipay has no file for a day without business"),
    _("Alipay has no bill after days, and we had no business either"), _("no whole bill within {seconds} s"),
    _("not connected: {error}"), _("not sent: {error}"), _("the line broke: {error}"), _("a file of more than {size} bytes"),
    _("HTTP {status}"), _("an answer without a link"),
)  # fmt: skip
# How a case of the bills ended by itself.
ENDINGS = (_("the bill has come and was read"), _("it works again"), _("found in bill:{file}"))
_WORD = re.compile(r"\\{(\w+)\\}")
Patterns = list[tuple[re.Pattern[str], str]]


def _patterns(texts: tuple[str, ...]) -> Patterns:
    return [(re.compile(_WORD.sub(r"(?P<\1>.+?)", re.escape(text)), re.DOTALL), text) for text in texts]


_REASONS, _ENDINGS = _patterns(REASONS), _patterns(ENDINGS)


def reason_words(reason: str) -> str:
    """The reason in the language of the page; as it is where nobody wrote it down here: a code of Alipay, words of PostgreSQL."""
    return _said(reason, _REASONS)


def ending_words(note: str) -> str:
    """The note of a case that ended by itself; what a person noted stays as it is."""
    return _said(note, _ENDINGS)


def _said(words: str, patterns: Patterns) -> str:
    for pattern, text in patterns:
        if found := pattern.fullmatch(words):
            return gettext(text).format(**{name: _said(value, patterns) for name, value in found.groupdict().items()})
    return words
