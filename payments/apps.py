from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class PaymentsConfig(AppConfig):
    name = "payments"
    verbose_name = _("Money")

    def ready(self) -> None:
        from payments.models.rights import apply_rights  # noqa: PLC0415  # models load after the app registry

        post_migrate.connect(apply_rights, sender=self)
