"""What each system puts in front of LoCoMo's questions, without an answer to any of them: a sweep
over ``k`` of evidence recall against context tokens, in minutes.

    python tests/bench/locomo/contexts.py LOCOMO.json --model FILE.gguf --out DIR

The model counts tokens, and writes the memories that need one (``--system free``). The stores
are those of ``run.py`` with the same ``--out``. Records go to ``DIR/MODEL/contexts.jsonl``.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from locomo_mem0 import Mem0Setup  # noqa: E402
from locomo_model import Answerer  # noqa: E402
from locomo_nights import NIGHT_KEY, Learning  # noqa: E402
from locomo_records import Records  # noqa: E402
from locomo_scores import ADVERSARIAL  # noqa: E402
from locomo_store import Conversation, read  # noqa: E402
from locomo_systems import Opened, Setting, opened  # noqa: E402
from run import COST_KEY, WINDOW, Progress  # noqa: E402

CONTEXT_KEY = ("conversation", "system", "question", "window")
SWEPT = ("tsubasa", "static", "rag-utterances", "rag-hybrid", "rag-observations")
SWEEP = (1, 3, 5, 10, 20, 30)
FIXED = ("none", "full")
"""What has no ``k``."""


async def run(arguments: argparse.Namespace) -> None:
    """Record all contexts that are not recorded yet."""
    folder = arguments.out / arguments.model.stem
    progress = Progress(0)
    answerer = Answerer(arguments.model, folder, window=arguments.window, threads=1)
    await answerer.open()
    try:
        with (
            Records(folder / "contexts.jsonl", CONTEXT_KEY) as contexts,
            Records(folder / "writes.jsonl", COST_KEY) as costs,
            Records(folder / "nights.jsonl", NIGHT_KEY) as nights,
        ):
            setting = Setting(
                answerer=answerer,
                folder=folder,
                costs=costs,
                nights=nights,
                measures=not arguments.unmeasured,
                mem0=Mem0Setup(None, 0),
                learning=Learning(),
                hurry=progress.hurry,
                tell=progress.tell,
            )
            for conversation in read(arguments.locomo):
                for name in arguments.system or (*SWEPT, *FIXED):
                    for system in [name] if name in FIXED else [f"{name}@{k}" for k in SWEEP]:
                        await record(system, conversation, setting, contexts)
    finally:
        print(file=sys.stderr)
        await answerer.close()


async def record(
    system: str, conversation: Conversation, setting: Setting, contexts: Records
) -> None:
    """The contexts of one system for a conversation's answerable questions."""
    key = {"conversation": conversation.name, "system": system, "window": setting.answerer.window}
    wanted = [
        asked
        for asked in conversation.asked
        if asked.category != ADVERSARIAL and not contexts.has(**key, question=asked.place)
    ]
    if not wanted:
        return
    setting.tell(f"{conversation.name} {system}: {len(wanted)} contexts")
    ready: Opened = await opened(system, conversation, setting)
    try:
        for asked in wanted:
            context = await ready.read(asked)
            [size] = await setting.answerer.sizes([context.text]) if context.text else [0]
            contexts.add(
                {
                    **key,
                    "question": asked.place,
                    "category": asked.category,
                    "evidence": sorted(asked.evidence),
                    "covers": sorted(context.covers or ()),
                    "pieces": context.pieces,
                    "context_tokens": size,
                }
            )
    finally:
        await ready.close()


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("locomo", type=Path, help="a file in LoCoMo's format")
    parser.add_argument("--model", type=Path, required=True, help="a GGUF file")
    parser.add_argument("--out", type=Path, required=True, help="folder of the records")
    parser.add_argument("--system", action="append", help="only this one, without its k")
    parser.add_argument("--window", type=int, default=WINDOW, help="context window in tokens")
    parser.add_argument("--unmeasured", action="store_true", help="do not measure the model first")
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(run(options()))
