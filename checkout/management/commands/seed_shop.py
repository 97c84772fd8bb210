from typing import Any

from django.core.management.base import BaseCommand

from checkout.sample_shop import seed_shop


class Command(BaseCommand):
    help = "Fill the shop with the sample tea shop's goods. Run again, it refreshes texts and prices and leaves stock alone."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"sample goods: {seed_shop()} products")
