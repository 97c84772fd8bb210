"""Words of the framework's own pages that its Chinese catalogue lacks, or sets as for Latin text. Ours is asked before it."""

from django.utils.translation import gettext_lazy as _

WORDS = (
    _("Model name"), _("Add link"), _("Change or view list link"), _("Add %s"), _("Add %(name)s"),
    _("Add another %(verbose_name)s"), _(":"),
)  # fmt: skip
