"""What both clients' walks share: steps with names, the control door, and one JSON line a step on standard output.

Runs in the environment of a foreign SDK too, so it imports nothing but the standard library.
"""

import argparse
import json
import traceback
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

Step = Callable[[], None]


class Walk:
    """Against one running pretend Alipay: where it is, its folder, and in which mode it runs."""

    def __init__(self) -> None:
        parser = argparse.ArgumentParser()
        parser.add_argument("--url", required=True)
        parser.add_argument("--data", type=Path, required=True)
        parser.add_argument("--mode", choices=("key", "certificate"), required=True)
        parser.add_argument("--prefix", required=True, help="begins every out_trade_no")
        self.words = parser.parse_args()
        self.gateway = f"{self.words.url}/gateway.do"
        self.steps: dict[str, Step] = {}

    def step(self, name: str) -> Callable[[Step], Step]:
        """Mark a function as the step of this name. It raises where the step fails."""

        def mark(step: Step) -> Step:
            self.steps[name] = step
            return step

        return mark

    def run(self) -> None:
        for name, step in self.steps.items():
            try:
                step()
                said = ""
            except Exception as error:  # a step that fails must not hide the ones behind it
                place = traceback.extract_tb(error.__traceback__)[1]
                said = f"{type(error).__name__} in line {place.lineno}: {error}"[:200]
            print(json.dumps([name, not said, said]), flush=True)

    def number(self, name: str) -> str:
        return f"{self.words.prefix}_{name}"

    def text(self, name: str) -> str:
        return (self.words.data / name).read_text()

    def control(self, action: str, **values: Any) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self.words.url}/control/{action}", json.dumps(values).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def page(self, query: str) -> str:
        """What a browser sees at a signed address."""
        with urllib.request.urlopen(f"{self.gateway}?{query}", timeout=10) as answer:
            return str(answer.read().decode())

    def fetched(self, url: str) -> bytes:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return bytes(answer.read())

    def notice(self, number: str) -> dict[str, str]:
        """The fields of the last notice about a number, as they would be sent."""
        with urllib.request.urlopen(f"{self.words.url}/control/notices", timeout=10) as answer:
            notices = json.load(answer)["notices"]
        return next(dict(each["sent"]) for each in reversed(notices) if each["fields"]["out_trade_no"] == number)


def refuses(sub_code: str, answer: dict[str, Any]) -> None:
    """Raises unless this answer is a refusal with this sub_code."""
    assert (answer.get("code"), answer.get("sub_code")) == ("40004", sub_code), answer


NAMES_OF_BILLS = ("业务明细.csv", "业务明细(汇总).csv", "账务明细.csv", "账务汇总.csv")
