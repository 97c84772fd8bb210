"""Webhooks: which systems are told, with which secret, what was delivered. A program's are its own, and hear of its orders."""

from collections.abc import Iterator
from contextlib import contextmanager

import django_filters
from django.db.models import QuerySet
from django.urls import reverse
from django.utils.translation import gettext
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from payments.api.callers import Caller
from payments.api.fields import Asked, Told
from payments.api.once import answered_once
from payments.api.pages import Pages
from payments.api.problems import Problem
from payments.api.view import ApiView
from payments.errors import LinkRefused, TooManyWebhooks
from payments.models import WebhookDelivery, WebhookEndpoint, WebhookKind
from payments.models.api_client import Scope
from payments.services import webhooks
from payments.services.deliver_webhooks import message_id

KINDS = [(each.value, each.label) for each in WebhookKind if each != WebhookKind.TEST]
SHOWN_ONCE = "what our signature is made with; not told again"


class WebhookAsked(Asked):
    url = serializers.CharField(max_length=500, help_text="an https address of the open internet")
    kinds = serializers.ListField(
        child=serializers.ChoiceField(choices=KINDS), max_length=len(KINDS), help_text="none: everything", default=list
    )
    description = serializers.CharField(max_length=100, allow_blank=True, default="")


class WebhookChanged(Asked):
    url = serializers.CharField(max_length=500, required=False)
    kinds = serializers.ListField(child=serializers.ChoiceField(choices=KINDS), max_length=len(KINDS), required=False)
    description = serializers.CharField(max_length=100, allow_blank=True, required=False)
    active = serializers.BooleanField(required=False, help_text="false: told nothing until it is true again")


class WebhookTold(Told):
    id = serializers.IntegerField()
    url = serializers.CharField()
    kinds = serializers.ListField(child=serializers.ChoiceField(choices=KINDS))
    description = serializers.CharField(allow_blank=True)
    active = serializers.BooleanField()
    why_not = serializers.CharField(allow_blank=True, help_text="why it was switched off, where we did it")
    both_sign_until = serializers.DateTimeField(source="old_until", allow_null=True)
    created_at = serializers.DateTimeField()


class NewWebhookTold(WebhookTold):
    secret = serializers.CharField(source="signing_secret", help_text=SHOWN_ONCE)


class SecretTold(Told):
    secret = serializers.CharField(help_text=SHOWN_ONCE)


class TryTold(Told):
    at = serializers.DateTimeField()
    status = serializers.IntegerField(allow_null=True, help_text="of HTTP; null where no answer came")
    took_ms = serializers.IntegerField()
    error = serializers.CharField(allow_blank=True)
    answer = serializers.CharField(allow_blank=True, help_text="its beginning")


class DeliveryTold(Told):
    id = serializers.IntegerField()
    webhook = serializers.IntegerField(source="endpoint_id")
    message_id = serializers.SerializerMethodField(help_text="the header webhook-id")
    kind = serializers.ChoiceField(choices=WebhookKind.choices, source="event.kind")
    sequence = serializers.IntegerField()
    state = serializers.ChoiceField(choices=WebhookDelivery.State.choices)
    attempts = serializers.IntegerField()
    next_try_at = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField()
    delivered_at = serializers.DateTimeField(allow_null=True)

    def get_message_id(self, delivery: WebhookDelivery) -> str:
        return message_id(delivery)

    @extend_schema_field({"type": ["string", "null"], "format": "date-time"})
    def get_next_try_at(self, delivery: WebhookDelivery) -> str | None:
        waits = delivery.state == WebhookDelivery.State.WAITING
        return serializers.DateTimeField().to_representation(delivery.due_at) if waits else None


class OneDeliveryTold(DeliveryTold):
    about = serializers.JSONField(source="event.data", help_text="`data` of the message")
    tries = TryTold(many=True)


class WebhookFilter(django_filters.FilterSet):  # type: ignore[misc]  # the package has no types
    active = django_filters.BooleanFilter()


class DeliveryFilter(django_filters.FilterSet):  # type: ignore[misc]  # the package has no types
    state = django_filters.ChoiceFilter(choices=WebhookDelivery.State.choices)
    kind = django_filters.ChoiceFilter(field_name="event__kind", choices=WebhookKind.choices)


def visible(caller: Caller) -> QuerySet[WebhookEndpoint]:
    """All, for staff and programs that see all orders; else those that the program added."""
    if Scope.ORDERS_ALL in caller.scopes or caller.client_id is None:
        return WebhookEndpoint.objects.all()
    return WebhookEndpoint.objects.filter(client=caller.client_id)


def found(caller: Caller, number: str) -> WebhookEndpoint:
    endpoint = visible(caller).filter(pk=int(number)).first()
    if endpoint is None:
        raise Problem("not_found")
    return endpoint


def found_delivery(caller: Caller, number: str) -> WebhookDelivery:
    sent = WebhookDelivery.objects.select_related("event").filter(endpoint__in=visible(caller))
    delivery = sent.filter(pk=int(number)).first()
    if delivery is None:
        raise Problem("not_found")
    return delivery


class Webhooks(ApiView, GenericAPIView[WebhookEndpoint]):
    read, write = Scope.WEBHOOKS_READ, Scope.WEBHOOKS_WRITE
    queryset = WebhookEndpoint.objects.all()  # for the description; who asks is known to get_queryset
    serializer_class = WebhookTold
    pagination_class = Pages
    filter_backends = (DjangoFilterBackend,)
    filterset_class = WebhookFilter

    def get_queryset(self) -> QuerySet[WebhookEndpoint]:
        return visible(self.caller)

    @extend_schema(operation_id="webhooks_list", tags=["webhooks"], responses=WebhookTold(many=True))
    def get(self, request: Request) -> Response:
        """Addresses that are told, newest first."""
        rows = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(WebhookTold(rows, many=True).data)

    @extend_schema(operation_id="webhook_add", tags=["webhooks"], request=WebhookAsked, responses={201: NewWebhookTold})
    @answered_once(in_one_commit=True)
    def post(self, request: Request) -> Response:
        """Add an address. Its secret is in this answer and in no other."""
        asked = WebhookAsked.read(request.data)
        with _refusals():
            endpoint = webhooks.add_endpoint(**asked, actor=self.caller.name, client_id=self.caller.client_id)
        endpoint.refresh_from_db()
        address = reverse("api:webhook", args=[endpoint.pk])
        return Response(NewWebhookTold(endpoint).data, status=201, headers={"Location": address})


class OneWebhook(ApiView):
    read, write = Scope.WEBHOOKS_READ, Scope.WEBHOOKS_WRITE
    if_match = True

    @extend_schema(operation_id="webhook_get", tags=["webhooks"], responses=WebhookTold)
    def get(self, request: Request, number: str) -> Response:
        return Response(WebhookTold(found(self.caller, number)).data)

    @extend_schema(operation_id="webhook_change", tags=["webhooks"], request=WebhookChanged, responses=WebhookTold)
    @answered_once(in_one_commit=True)
    def patch(self, request: Request, number: str) -> Response:
        """Change what is named, or switch it off. What waits for it waits until it is told again."""
        asked = WebhookChanged.read(request.data)
        endpoint = WebhookEndpoint.objects.locked(found(self.caller, number).pk)
        self.see_that_it_is(lambda: WebhookTold(endpoint).data)
        known = {name: getattr(endpoint, name) for name in ("url", "kinds", "description", "active")}
        with _refusals():
            webhooks.change_endpoint(endpoint, **{**known, **asked}, actor=self.caller.name)
        return Response(WebhookTold(found(self.caller, number)).data)


class RotateSecret(ApiView):
    write = Scope.WEBHOOKS_WRITE

    @extend_schema(operation_id="webhook_rotate", tags=["webhooks"], request=None, responses=SecretTold)
    @answered_once(in_one_commit=True)
    def post(self, request: Request, number: str) -> Response:
        """A new secret, in this answer and in no other. For a day the one before signs too."""
        return Response({"secret": webhooks.rotate_secret(found(self.caller, number), actor=self.caller.name)})


class TestWebhook(ApiView):
    write = Scope.WEBHOOKS_WRITE

    @extend_schema(operation_id="webhook_test", tags=["webhooks"], request=None, responses={202: WebhookTold})
    @answered_once(in_one_commit=True)
    def post(self, request: Request, number: str) -> Response:
        """Send a test event to it alone; what comes of it stands among its deliveries."""
        endpoint = found(self.caller, number)
        webhooks.send_test(endpoint, actor=self.caller.name)
        return Response(WebhookTold(endpoint).data, status=202)


class Deliveries(ApiView, GenericAPIView[WebhookDelivery]):
    read = Scope.WEBHOOKS_READ
    queryset = WebhookDelivery.objects.all()  # for the description; to which address is known to get_queryset
    serializer_class = DeliveryTold
    pagination_class = Pages
    filter_backends = (DjangoFilterBackend,)
    filterset_class = DeliveryFilter

    def get_queryset(self) -> QuerySet[WebhookDelivery]:
        return WebhookDelivery.objects.filter(endpoint=found(self.caller, self.kwargs["number"])).select_related(
            "event"
        )

    @extend_schema(operation_id="deliveries_list", tags=["webhooks"], responses=DeliveryTold(many=True))
    def get(self, request: Request, number: str) -> Response:
        """What was sent to it, or waits to be, newest first."""
        rows = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(DeliveryTold(rows, many=True).data)


class OneDelivery(ApiView):
    read = Scope.WEBHOOKS_READ

    @extend_schema(operation_id="delivery_get", tags=["webhooks"], responses=OneDeliveryTold)
    def get(self, request: Request, number: str) -> Response:
        """One delivery with what it carries and every try."""
        return Response(OneDeliveryTold(found_delivery(self.caller, number)).data)


class ReplayDelivery(ApiView):
    write = Scope.WEBHOOKS_WRITE

    @extend_schema(operation_id="delivery_replay", tags=["webhooks"], request=None, responses={202: DeliveryTold})
    @answered_once(in_one_commit=True)
    def post(self, request: Request, number: str) -> Response:
        """Send it again under the same id, whatever became of it: three days of tries begin anew."""
        webhooks.send_again([found_delivery(self.caller, number)], actor=self.caller.name)
        return Response(DeliveryTold(found_delivery(self.caller, number)).data, status=202)


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except LinkRefused as refusal:
        words = gettext("This address can't be told anything: %(why)s.") % {"why": refusal}
        raise Problem("wrong_fields", errors=[{"pointer": "/url", "code": "refused", "detail": words}]) from refusal
    except TooManyWebhooks as refusal:
        raise Problem("too_many_webhooks") from refusal
