from django.apps import AppConfig
from django.conf import settings
from django.contrib.admin import apps as admin_apps
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class PaymentsConfig(AppConfig):
    name = "payments"
    verbose_name = _("Money")

    def ready(self) -> None:
        from payments.fields import key_ring  # noqa: PLC0415
        from payments.models.rights import apply_rights  # noqa: PLC0415  # models load after the app registry
        from payments.models.roles import apply_roles  # noqa: PLC0415

        for name in (
            "SEAL_KEYS",
            "AUDIT_SEAL_KEYS",
        ):  # a ring that can't be read stops the start, not the first payment
            key_ring(name, getattr(settings, name))
        post_migrate.connect(apply_rights, sender=self)
        post_migrate.connect(apply_roles)  # after the last app, whose rights it names


class StaffPagesConfig(admin_apps.AdminConfig):
    """Django's admin, entered through our own front door."""

    default = False
    default_site = "payments.views.staff_door.StaffSite"
