"""What each staff role may do: one table, applied after every migrate. docs/roles.md shows it.

Rights are Django's: "app.action_model". Nothing here lets anybody edit or delete records of money by a form: those pages
refuse it whoever asks. A role is a group; a person may have several.
"""

from typing import Any

from django.apps import AppConfig, apps
from django.contrib.auth.management import create_permissions
from django.db.models import Q

MONEY = (
    "order", "transaction", "refund", "gatewaycall", "inboundmessage", "outboxmessage", "case", "transfer", "auditevent",
    "auditseal", "bookscheck", "billday", "billfile", "statementline", "difference",
    "refundbatch", "webhookdelivery",
)  # fmt: skip
GOODS = ("category", "product", "variant", "stock")
LOOK = tuple(f"payments.view_{model}" for model in MONEY)
KEEP_GOODS = tuple(f"checkout.{action}_{model}" for model in GOODS for action in ("view", "add", "change", "delete"))
SERVE = ("checkout.view_delivery", "checkout.send_delivery", "checkout.view_question")  # who packs and answers

ROLES: dict[str, tuple[str, ...]] = {
    "viewer": LOOK,
    "support": (*LOOK, *SERVE, "payments.ask_alipay", "payments.request_refund", "payments.work_case"),
    "cashier": (*LOOK, "payments.charge_counter", "payments.record_payment"),
    "finance": (
        *LOOK, "payments.ask_alipay", "payments.request_refund", "payments.record_payment", "payments.work_case",
        "payments.write_off_case", "payments.upload_bill", "payments.close_bill_day",
        "payments.request_bulk_refund",
    ),
    "approver": (*LOOK, "payments.ask_alipay", "payments.approve_refund", "payments.write_off_case"),
    "catalogue manager": KEEP_GOODS,
    "owner": (
        *LOOK, *KEEP_GOODS, *SERVE, "payments.ask_alipay", "payments.request_refund", "payments.approve_refund",
        "payments.record_payment", "payments.charge_counter", "payments.work_case", "payments.write_off_case",
        "payments.view_apiclient", "payments.manage_api",
        "payments.upload_bill", "payments.close_bill_day", "payments.view_user", "payments.add_user",
        "payments.change_user", "auth.view_group",
        "payments.request_bulk_refund",
        "payments.view_webhookendpoint", "payments.add_webhookendpoint", "payments.change_webhookendpoint",
    ),
}  # fmt: skip


def apply_roles(sender: AppConfig, using: str, **_: Any) -> None:
    """After migrate, as the owner: every role has exactly the rights of the table."""
    if using != "owner":
        return
    from django.contrib.auth.models import Group, Permission  # noqa: PLC0415  # models load after the app registry

    for app in ("payments", "checkout", "auth"):
        create_permissions(apps.get_app_config(app), verbosity=0, using=using)
    for name, rights in ROLES.items():
        wanted = Q(pk__in=[])
        for right in rights:
            app, codename = right.split(".")
            wanted |= Q(content_type__app_label=app, codename=codename)
        found = Permission.objects.using(using).filter(wanted)
        assert found.count() == len(set(rights)), f"a right of {name!r} does not exist"
        Group.objects.using(using).get_or_create(name=name)[0].permissions.set(found)
