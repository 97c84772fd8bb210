"""`make messages`: gather the texts of code and templates into the Chinese catalogue, and say what is missing.

Reads Python by its syntax tree and templates by Django's own parser, so it needs no gettext programs; every template
is compiled on the way.
"""

import ast
from collections.abc import Iterator

import django
import polib
from django.template.base import Node, Template
from django.templatetags.i18n import BlockTranslateNode, TranslateNode

from config.local.places import ROOT

CATALOGUE = ROOT / "locale/zh_Hans/LC_MESSAGES/django.po"
PYTHON, TEMPLATES = ("config", "checkout", "payments"), ROOT / "templates"
MARKS = {"_", "gettext", "gettext_lazy", "ngettext", "ngettext_lazy"}
Text = tuple[str, str]  # singular, plural or empty


def messages(words: list[str]) -> int:
    """Bring the catalogue up to date; with --check, change nothing and fail where a text is missing, empty or unused."""
    django.setup()
    wanted = dict(texts())
    catalogue = polib.pofile(str(CATALOGUE))
    known: dict[Text, polib.POEntry] = {(entry.msgid, entry.msgid_plural): entry for entry in catalogue}
    rows = {
        "not in the catalogue": [text for text in wanted if text not in known],
        "not translated": [text for text, entry in known.items() if text in wanted and not entry.translated()],
        "not used": [text for text in known if text not in wanted],
    }
    for title, listed in rows.items():
        for text in listed:
            print(f"{title}: {text[0]!r}  {wanted.get(text, '')}")
    if "--check" in words:
        return 1 if any(rows.values()) else 0
    for singular, plural in rows["not in the catalogue"]:
        more = {"msgid_plural": plural, "msgstr_plural": {0: ""}} if plural else {}
        catalogue.append(polib.POEntry(msgid=singular, **more))
    for text in rows["not used"]:
        catalogue.remove(known[text])
    for entry in catalogue:
        entry.occurrences = []
    catalogue.sort()
    catalogue.save()
    return 0


def texts() -> Iterator[tuple[Text, str]]:
    """Every text marked for translation, with the file it stands in."""
    for package in PYTHON:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "migrations" in path.parts:
                continue
            for text in _in_python(ast.parse(path.read_text())):
                yield text, str(path.relative_to(ROOT))
    for path in sorted(TEMPLATES.rglob("*.*")):
        for text in _in_template(Template(path.read_text())):
            yield text, str(path.relative_to(ROOT))


def _in_python(tree: ast.AST) -> Iterator[Text]:
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in MARKS:
            words = [
                each.value for each in call.args[:2] if isinstance(each, ast.Constant) and isinstance(each.value, str)
            ]
            if words:
                yield words[0], words[1] if call.func.id.startswith("ngettext") else ""


def _in_template(template: Template) -> Iterator[Text]:
    for node in template.nodelist.get_nodes_by_type(Node):
        if isinstance(node, TranslateNode):
            literal = node.filter_expression.var.literal
            if isinstance(literal, str):
                yield literal, ""
        elif isinstance(node, BlockTranslateNode):
            singular, _names = node.render_token_list(node.singular)
            plural = node.render_token_list(node.plural)[0] if node.plural else ""
            yield singular, plural
