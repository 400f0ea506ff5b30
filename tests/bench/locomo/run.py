"""LoCoMo side by side: every system on the same model, questions, prompt and machine.

    python tests/bench/locomo/run.py LOCOMO.json --model FILE.gguf --out DIR
    python tests/bench/locomo/run.py LOCOMO.json --model FILE.gguf --out DIR \
        --conversation conv-30 --system tsubasa@3 --system none --seconds 600
    python tests/bench/locomo/run.py LOCOMO.json --model FILE.gguf --out DIR \
        --system learned --system learned@3 --learn-seconds 3600

Each conversation × system × question is one line in ``DIR/MODEL/answers.jsonl``. Running the same
command again goes on where it stopped, whatever stopped it. ``report.py DIR`` makes the tables.
"""

from __future__ import annotations

import argparse
import asyncio
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from locomo_mem0 import Mem0Setup  # noqa: E402
from locomo_model import PROMPT_HASH, Answerer, first_line  # noqa: E402
from locomo_nights import NIGHT_KEY, Learning  # noqa: E402
from locomo_records import Records  # noqa: E402
from locomo_scores import picked, posed  # noqa: E402
from locomo_store import CATEGORIES, Asked, Conversation, read  # noqa: E402
from locomo_systems import SYSTEMS, Opened, OutOfTimeError, Setting, opened, parts_of  # noqa: E402

ANSWER_KEY = ("conversation", "system", "question", "prompt", "window")
COST_KEY = ("conversation", "writer", "speaker", "batch")
WINDOW = 16_384


class Progress:
    """One line on stderr that is written over."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds if seconds else None

    def tell(self, line: str) -> None:
        print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)

    def hurry(self) -> None:
        """Raise ``OutOfTimeError`` when it is."""
        if self._end is not None and time.monotonic() > self._end:
            raise OutOfTimeError


async def run(arguments: argparse.Namespace) -> bool:
    """Answer all that is not answered yet; whether all is."""
    folder = arguments.out / arguments.model.stem
    progress = Progress(arguments.seconds)
    answerer = Answerer(arguments.model, folder, window=arguments.window, threads=arguments.threads)
    await answerer.open()
    try:
        with (
            Records(folder / "answers.jsonl", ANSWER_KEY) as answers,
            Records(folder / "writes.jsonl", COST_KEY) as costs,
            Records(folder / "nights.jsonl", NIGHT_KEY) as nights,
        ):
            setting = Setting(
                answerer=answerer,
                folder=folder,
                costs=costs,
                nights=nights,
                measures=not arguments.unmeasured,
                mem0=Mem0Setup(arguments.mem0_python, arguments.mem0_seconds),
                learning=Learning(arguments.learn_seconds, arguments.threads),
                hurry=progress.hurry,
                tell=progress.tell,
            )
            for conversation in chosen(arguments):
                for system in arguments.system or default_systems(arguments):
                    questions = asked_of(conversation, arguments)
                    await ask_all(system, conversation, questions, setting, answers)
        return True
    except OutOfTimeError:
        return False
    finally:
        print(file=sys.stderr)
        await answerer.close()


async def ask_all(
    system: str,
    conversation: Conversation,
    questions: Sequence[Asked],
    setting: Setting,
    answers: Records,
) -> None:
    """Put to one system what it was not asked yet."""
    key = {"prompt": PROMPT_HASH, "window": setting.answerer.window}
    name = {"conversation": conversation.name, "system": system}
    open_ones = [q for q in questions if not answers.has(**name, question=q.place, **key)]
    if not open_ones:
        return
    setting.hurry()
    ready = await opened(system, conversation, setting)
    try:
        started = time.monotonic()
        for number, asked in enumerate(ready.in_order(open_ones)):
            setting.tell(_where(name, number, open_ones, started))
            answers.add({**name, **key, **await answered(ready, asked, setting.answerer)})
            setting.hurry()
    finally:
        await ready.close()


async def answered(ready: Opened, asked: Asked, answerer: Answerer) -> dict[str, object]:
    """One question put to a system, with everything that scoring needs."""
    await answerer.wear(await ready.models.adapter_for(asked))
    started = time.perf_counter()
    context = await ready.read(asked)
    reading = time.perf_counter() - started
    terms = (asked.answer, asked.category, asked.place)
    answer = await answerer.answer(context.text, posed(asked.text, *terms))
    return {
        "question": asked.place,
        "category": asked.category,
        "asked": asked.text,
        "gold": asked.answer,
        "evidence": sorted(asked.evidence),
        "covers": None if context.covers is None else sorted(context.covers),
        "pieces": context.pieces,
        "context": context.text if context.pieces <= 30 else "",
        "raw": answer.output,
        "answer": picked(first_line(answer.output), *terms),
        "context_tokens": answer.context_tokens,
        "prompt_tokens": answer.prompt_tokens,
        "evaluated_tokens": answer.evaluated_tokens,
        "generated_tokens": answer.generated_tokens,
        "read_seconds": round(reading, 4),
        "answer_seconds": round(answer.seconds, 3),
        "model_sha256": answerer.sha256,
        "personal_of": ready.models.whose(asked),
        "adapter_sha256": answerer.adapter_sha256,
        "versions": versions(),
    }


def versions() -> str:
    """What the figures hang on."""
    names = ("llama-cpp-python", "chromadb", "wordllama")
    return ", ".join([f"Python {platform.python_version()}", *(f"{n} {version(n)}" for n in names)])


def chosen(arguments: argparse.Namespace) -> Iterator[Conversation]:
    for conversation in read(arguments.locomo):
        if not arguments.conversation or conversation.name in arguments.conversation:
            yield conversation


def asked_of(conversation: Conversation, arguments: argparse.Namespace) -> list[Asked]:
    """All questions, or the first ``--first`` of those that have an answer."""
    if not arguments.first:
        return conversation.asked
    return [q for q in conversation.asked if q.category in CATEGORIES][: arguments.first]


def default_systems(arguments: argparse.Namespace) -> list[str]:
    """All but Mem0 without the installation of its own that it needs, and but what learns first,
    which takes hours on a CPU."""
    left_out = {"learned"} if arguments.mem0_python else {"learned", "mem0"}
    return [name for name in SYSTEMS if parts_of(name)[0] not in left_out]


def _where(name: dict[str, str], number: int, questions: Sequence[Asked], started: float) -> str:
    each = (time.monotonic() - started) / number if number else 0.0
    left = each * (len(questions) - number) / 60
    told = f", {each:.1f} s each, {left:.0f} min left" if number else ""
    return f"{name['conversation']} {name['system']}: {number + 1}/{len(questions)}{told}"


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("locomo", type=Path, help="a file in LoCoMo's format")
    parser.add_argument("--model", type=Path, required=True, help="a GGUF file")
    parser.add_argument("--out", type=Path, required=True, help="folder of the records")
    parser.add_argument("--conversation", action="append", help="only this one (repeatable)")
    parser.add_argument("--system", action="append", choices=SYSTEMS, help="only this one")
    parser.add_argument("--first", type=int, default=0, help="only so many answerable questions")
    parser.add_argument("--window", type=int, default=WINDOW, help="context window in tokens")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument(
        "--seconds", type=float, default=0, help="stop after so long, and go on later"
    )
    parser.add_argument("--unmeasured", action="store_true", help="do not measure the model first")
    parser.add_argument("--mem0-python", type=Path, help="a Python that has mem0ai and chromadb")
    parser.add_argument("--mem0-seconds", type=float, default=0, help="write for so long at most")
    parser.add_argument(
        "--learn-seconds", type=float, default=0, help="budget of a night; 0: as long as it takes"
    )
    return parser.parse_args()


def main() -> None:
    arguments = options()
    is_done = asyncio.run(run(arguments))
    if not is_done:
        print("Out of time; the same command goes on.", file=sys.stderr)


if __name__ == "__main__":
    main()
