"""People who sign in: staff, and later shoppers with an account. The e-mail address is the name."""

from datetime import datetime
from typing import Any, ClassVar, cast

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Case, F, Func, Q, Value, When
from django.db.models.functions import Lower, Now
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from payments.fields import internal, personal, secret
from payments.models.checks import check


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **more: Any) -> "User":
        user = self.model(email=self.normalize_email(email), **more)
        user.set_password(password)
        user.save()
        return user

    def create_superuser(self, email: str, password: str | None = None, **more: Any) -> "User":
        """For `manage.py createsuperuser`: the first person of a new shop."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **more)

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email__iexact=username)

    def waiting(self) -> models.QuerySet["User"]:
        """Accounts that a colleague made or changed, and nobody else has confirmed."""
        return self.filter(changed_by__isnull=False, confirmed_by=None)

    def mark_changed(self, person_id: int, *, by_id: int) -> None:
        """A colleague made or changed this account: from here on it waits for another, who had no hand in it, to confirm it."""
        waits = Q(changed_by__isnull=False, confirmed_by=None)
        more = Func(F("hands"), Value(by_id), function="array_append")
        hands = Case(When(waits, then=more), default=Value([by_id]), output_field=ArrayField(models.BigIntegerField()))
        self.filter(pk=person_id).update(changed_by=by_id, changed_at=Now(), confirmed_by=None, hands=hands)

    def mark_confirmed(self, person_id: int, *, by_id: int, seen: datetime | None) -> bool:
        """True for the one who did it. False for who had a hand in it or whose it is, and when it was changed since `seen`."""
        waiting = self.waiting().filter(pk=person_id, changed_at=seen)
        return waiting.exclude(hands__contains=[by_id]).exclude(pk=by_id).update(confirmed_by=by_id) == 1


class User(AbstractBaseUser, PermissionsMixin):
    email = personal(models.EmailField(_("e-mail"), unique=True))
    name = personal(models.CharField(_("name"), max_length=80, blank=True))
    password = secret(models.CharField(_("password"), max_length=128))
    last_login = personal(models.DateTimeField(_("last signed in"), blank=True, null=True))
    is_staff = internal(models.BooleanField(_("may enter the staff pages"), default=False))
    is_active = internal(models.BooleanField(_("may sign in"), default=True))
    is_superuser = internal(models.BooleanField(_("has every right"), default=False))
    factor_reset_at = internal(models.DateTimeField(_("second factor reset"), null=True, editable=False))
    changed_by = internal(
        models.ForeignKey(
            "self", models.PROTECT, null=True, editable=False, related_name="+", db_index=False,
            verbose_name=_("made or changed by"),
        )
    )  # fmt: skip
    changed_at = internal(models.DateTimeField(_("made or changed"), null=True, editable=False))
    # all who changed it since it was last confirmed: who does so after them vouches for nothing of theirs
    hands = internal(ArrayField(models.BigIntegerField(), default=list, db_default=[], editable=False))
    confirmed_by = internal(
        models.ForeignKey(
            "self", models.PROTECT, null=True, editable=False, related_name="+", db_index=False,
            verbose_name=_("confirmed by"),
        )
    )  # fmt: skip
    joined_at = internal(models.DateTimeField(_("joined"), db_default=Now(), editable=False))

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        verbose_name = _("person")
        verbose_name_plural = _("people")
        constraints = (
            models.UniqueConstraint(Lower("email"), name="one_account_per_address"),
            check("person_confirmed_by_another", "confirmed_by_id <> ALL(hands) AND confirmed_by_id <> id"),
        )

    def __str__(self) -> str:
        return self.name or self.email

    @property
    def awaits_confirmation(self) -> bool:
        """A colleague made or changed this account, and no other has confirmed it. Who has the server changes it at will."""
        return self.changed_by_id is not None and self.confirmed_by_id is None

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        """Until it is confirmed an account only looks, in all that concerns money: docs/roles.md says why."""
        is_deed = perm.startswith("payments.") and not perm.startswith("payments.view_")
        return not (is_deed and self.awaits_confirmation) and super().has_perm(perm, obj)

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """What a session is bound to: it ends when the password changes, and for staff when roles, rights or a lost factor do."""
        roles = sorted(self.groups.values_list("pk", flat=True)) if self.is_staff else []
        bound = (self.password, self.is_active, self.is_staff, self.is_superuser, roles, self.factor_reset_at)
        return salted_hmac("payments.session", repr(bound), secret=secret, algorithm="sha256").hexdigest()


# Django's own two, made by PermissionsMixin
internal(cast("models.Field[Any, Any]", User._meta.get_field("groups")))
internal(cast("models.Field[Any, Any]", User._meta.get_field("user_permissions")))
