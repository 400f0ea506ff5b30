"""How well extraction tells facts from talk, by rule and with a model's help.

    python tests/bench/bench_extraction.py                            # rules
    python tests/bench/bench_extraction.py --model A.gguf --cache DIR  # and a model

Precision and recall count turns that leave something active; "facts found" counts labelled facts
that one active statement tells in full, of the right person.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "memory"), str(HERE / "evolution")]

from evolution_models import CachedModel  # noqa: E402
from labelled_turns import DEV, HELD_OUT, Labelled  # noqa: E402

from tsubasa_cli.memory.extract import Extractor  # noqa: E402
from tsubasa_cli.memory.extract_profile import (  # noqa: E402
    RULES_ONLY,
    Profile,
    measured,
)
from tsubasa_cli.memory.text import fold  # noqa: E402
from tsubasa_cli.memory.values import Observation, Status  # noqa: E402
from tsubasa_cli.storage.values import Instant, Role, Turn, TurnStatus  # noqa: E402

SAID = Instant.from_datetime(datetime(2026, 11, 18, 10, tzinfo=UTC))
SETS = (("tuned on", DEV), ("held out", HELD_OUT))


def turns_of(item: Labelled) -> list[Turn]:
    return [
        Turn(
            place + 1,
            "s",
            place or None,
            Role.ASSISTANT if text.startswith("A: ") else Role.USER,
            text.removeprefix("A: "),
            TurnStatus.COMPLETE,
            SAID,
        )
        for place, text in enumerate((*item.before, item.text))
    ]


def facts_found(item: Labelled, active: Sequence[Observation]) -> int:
    return sum(
        any(
            o.subject.startswith(fact.about)
            and all(fold(word) in fold(o.statement) for word in fact.words.split())
            for o in active
        )
        for fact in item.facts
    )


async def report(name: str, items: Sequence[Labelled], extractor: Extractor) -> None:
    kept = right = found = 0
    for item in items:
        turns = turns_of(item)
        learned = await extractor.extract(turns, [turns[-1].id])
        active = [o for o in learned if o.status is Status.ACTIVE]
        kept += bool(active)
        right += bool(active and item.facts)
        found += facts_found(item, active)
    telling = sum(bool(item.facts) for item in items)
    labelled = sum(len(item.facts) for item in items)
    print(
        f"{name:>9}: {len(items)} turns, precision {right / kept:.3f}, "
        f"recall {right / telling:.3f}, facts found {found}/{labelled}"
    )


async def main(model_file: Path | None, cache: Path, as_measured: bool) -> None:
    model = CachedModel(model_file, cache) if model_file else None
    profile = RULES_ONLY
    if model is not None:
        figures = await measured(model)
        profile = figures.profile if as_measured else Profile(rewrites=True, opinion=1.0)
        print(f"worth-it AUC {figures.area:.2f}, rewrites sound {figures.rewriting:.2f}", end="")
        print(f", facts of windows F1 {figures.reading:.2f}; profile {profile}")
    for name, items in SETS:
        await report(name, items, Extractor(model, profile=profile))
    if model is not None:
        await model.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("/tmp/tsubasa-answers"))
    parser.add_argument("--trust", action="store_true", help="whatever the calibration says")
    arguments = parser.parse_args()
    asyncio.run(main(arguments.model, arguments.cache, not arguments.trust))
