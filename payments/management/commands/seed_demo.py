"""Fill a demo: the pretend Alipay connected, and somebody who may enter the staff pages."""

import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand

from payments.models import ApiClient, User
from payments.models.api_client import Scope
from payments.models.clock import database_now
from payments.services import second_factor
from payments.services.api_keys import make_key

MERCHANT, CONNECTED = "山间茶铺", "demo"


class Command(BaseCommand):
    help = "Connect the pretend Alipay in FOLDER and make a staff login. Safe to run again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--gateway", required=True, help="the pretend Alipay's gateway.do")
        parser.add_argument("--migrate", action="store_true", help="bring the database up to date first")
        parser.add_argument("--folder", type=Path, required=True, help="the pretend Alipay's folder, with its keys")

    def handle(self, *_: Any, **options: Any) -> None:
        if options["migrate"]:
            call_command("migrate", verbosity=0)
        call_command(
            "connect_alipay", gateway=options["gateway"], folder=options["folder"], name=MERCHANT, stdout=self.stdout
        )
        email, password = os.environ.get("DEMO_EMAIL"), os.environ.get("DEMO_PASSWORD")
        if email and password and not User.objects.filter(email=email).exists():
            User.objects.create_superuser(email, password)
            self.stdout.write(f"staff login: {email}")
        key, person = os.environ.get("DEMO_CODE_KEY"), User.objects.filter(email=email or "").first()
        if key and person and not second_factor.is_enrolled(person):
            now = database_now()
            second_factor.enrol(person, key=key, code=second_factor.current_code(key, now), now=now)
        api_key = os.environ.get("DEMO_API_KEY")
        if api_key and person and not ApiClient.objects.filter(name=CONNECTED).exists():
            client = ApiClient.objects.create(name=CONNECTED, scopes=Scope.values)
            make_key(client, person=person, text=api_key)
            self.stdout.write(f"API key for {CONNECTED}")
