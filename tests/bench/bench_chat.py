"""A long chat, turn by turn, against llama-cpp-python's own loop: what is waited for, and for what.

    python tests/bench/bench_chat.py [--model FILE.gguf] [--sessions 3] [--to assets/bench]

Each turn is answered by Tsubasa, whole (storing, recalling from 1,000 made-up memories, packing,
streaming), by the raw loop with the same memories in front of the same question, and by the raw
loop with them in the system prompt, as Mem0 is commonly used. All are greedy, and have the same
model, window and threads, and histories of their own replies. Then the program is ended and begun
again, and one more question is asked. The tokens are exact; seconds are of one machine, and only
their ratios within a turn mean anything. The two raw loops are given their memories: what finding
them takes is in Tsubasa's seconds alone.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from bench_page import command_line, origin, put_section, starter_model, table  # noqa: E402
from chat_rivals import Apart, Cost, Mem0Style, RawChat  # noqa: E402
from large_store import fill_large, sentence  # noqa: E402

from tsubasa_cli.conversation.chat import Chat, Overrides  # noqa: E402
from tsubasa_cli.conversation.events import (  # noqa: E402
    Compacting,
    ReplyEnded,
    ReplyFailed,
    TextDelta,
)
from tsubasa_cli.conversation.workspace import Workspace, open_chat, open_workspace  # noqa: E402
from tsubasa_cli.engine.client import Engine  # noqa: E402
from tsubasa_cli.memory.block import render_note  # noqa: E402
from tsubasa_cli.storage.database import connect  # noqa: E402
from tsubasa_cli.storage.paths import Paths  # noqa: E402
from tsubasa_cli.storage.settings_file import set_value  # noqa: E402
from tsubasa_cli.storage.values import Turn, TurnStatus  # noqa: E402

OURS = "Tsubasa"
STORY = "Tell me a long story, part {number}: the lighthouse keeper and the sea."
MEMORIES = 1_000
SHOWN = (1, 10, 50)
TITLE = "Chat speed: a long session, turn by turn"
FORMS = (
    "Who was with me when I {deed} the {thing} in {place}?",
    "What did I do with {person} in {place}?",
    "What should one know before buying a {thing}?",
    "How much did I pay for the {thing} with {person}?",
    "Thank you. And what is {place} known for?",
)
"""Three in five ask for memories."""


def questions(count: int) -> Iterator[str]:
    """As one might ask who lived the life of ``large_store``; the same each time."""
    chance = random.Random(11)
    for number in range(count):
        words = sentence(chance).split()
        deed, thing, person, place = words[0], words[2], words[5], words[7]
        form = FORMS[number % len(FORMS)]
        yield form.format(deed=deed, thing=thing, person=person, place=place)


class Product:
    """Tsubasa on a home of its own, up to what a screen would see."""

    def __init__(self, home: Path, model: Path, window: int, reply_tokens: int) -> None:
        self._paths = Paths(home, home).ensure()
        self._overrides = Overrides(
            sampling=(("temperature", 0.0),), thinking=False, max_tokens=reply_tokens
        )
        set_value(self._paths, "engine.context_tokens", str(window))
        fill_large(connect(self._paths), MEMORIES)
        self._workspace = open_workspace(self._paths)
        self._workspace.models.import_file(model, in_place=True)
        self._workspace.models.use(model.stem)
        self.chat = open_chat(self._workspace, overrides=self._overrides)

    async def load(self) -> int:
        """Get model and indexes ready; the window in tokens."""
        await self._workspace.host.ready()
        await asyncio.to_thread(self._workspace.memory.catch_up)
        return self._workspace.host.window

    async def ask(self, turn: int, question: str) -> tuple[Cost, str, list[str]]:
        """Have ``question`` answered; what that cost, what rode in front of the question, and all
        memories that bear on it, whether or not the window held them already."""
        before = (await self._engine.totals(after_settling=True)).prefilled
        reply, first, rate = await timed(self.chat, question)
        after = (await self._engine.totals(after_settling=True)).prefilled
        asked = reply.parent_id or 0
        memory, usage = self._workspace.memory, reply.usage
        assert usage is not None
        block = memory.recalls.blocks(self.chat.session.id).get(asked, "")
        count = len(memory.recalls.used(asked))
        cost = Cost(OURS, turn, usage.prompt, usage.evaluated, after - before, first, count, rate)
        return cost, block, await self._bearing(question, reply)

    async def _bearing(self, question: str, reply: Turn) -> list[str]:
        said = {turn.id for turn in await self.chat.turns()}
        found = await asyncio.to_thread(
            self._workspace.memory.recall,
            question,
            now=reply.created_at,
            k=self._workspace.settings.memory.recall_count,
            exclude_turns=said,
        )
        return [render_note(item) for item in found]

    async def reopen(self) -> None:
        """Quit, as the program quits, and begin again up to a model that is ready."""
        session = self.chat.session.id
        await self.close()
        self._workspace = open_workspace(self._paths)
        self.chat = open_chat(self._workspace, session, self._overrides)
        await self.load()

    async def begin_another(self) -> None:
        """Another conversation, with nothing in its window."""
        await self.chat.close()
        self.chat = open_chat(self._workspace, overrides=self._overrides)

    async def close(self) -> None:
        """Quit."""
        await self.chat.close()
        await self._workspace.close()

    @property
    def workspace(self) -> Workspace:
        return self._workspace

    @property
    def _engine(self) -> Engine:
        engine = self._workspace.host.engine
        assert engine is not None
        return engine


async def timed(chat: Chat, question: str) -> tuple[Turn, float, float]:
    """The reply, seconds from sending to its first words, and tokens a second from then to its
    last."""
    began, first, last, reply = time.perf_counter(), 0.0, 0.0, None
    exchange = await chat.ask(question)
    async with aclosing(chat.answer(exchange.reply)) as events:
        async for event in events:
            match event:
                case TextDelta():
                    last = time.perf_counter()
                    first = first or last
                case ReplyEnded(turn=turn):
                    reply = turn
                case ReplyFailed(what=what):
                    raise SystemExit(what)
                case Compacting():
                    raise SystemExit("The window is full: take a larger --window.")
    assert reply is not None and reply.usage is not None
    unseen = 2 if reply.status is TurnStatus.COMPLETE else 1  # the first, and what ends a reply
    shown = reply.usage.generated - unseen
    return reply, first - began, shown / (last - first) if shown > 0 and last > first else 0.0


@dataclass(frozen=True, slots=True)
class Sitting:
    """One session: what each turn cost, and pairs of decode rates, ours and the raw loop's."""

    costs: tuple[Cost, ...]
    rates: tuple[tuple[float, float], ...]


async def sitting(options: argparse.Namespace) -> Sitting:
    """All turns of one session, one more after it was closed and resumed, and long answers in
    another, whose window has room for them."""
    asked = list(questions(options.turns + 1))
    with tempfile.TemporaryDirectory() as home:
        product = Product(Path(home), options.model, options.window, options.reply_tokens)
        window = await product.load()
        build = (options.model, window, options.reply_tokens, product.chat.system_prompt)
        rivals = [Apart(RawChat, *build), Apart(Mem0Style, *build)]
        costs: list[Cost] = []
        for turn, question in enumerate(asked, 1):
            if turn > options.turns:
                await product.reopen()
                for rival in rivals:
                    rival.reopen()
            is_left_out = options.brief and turn not in shown(options.turns)
            costs += await in_turn(turn, question, product, rivals, is_left_out=is_left_out)
            print(f"\rturn {turn} of {len(asked)}", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
        for rival in rivals:
            rival.close()
        await product.begin_another()
        raw = Apart(RawChat, *build)
        rates = await side_by_side(product, raw, options)
        raw.close()
        await product.close()
    return Sitting(tuple(costs), tuple(rates))


async def side_by_side(
    product: Product, raw: Apart, options: argparse.Namespace
) -> list[tuple[float, float]]:
    """Decode rates in answers that go on, right after each other, ours first in every other pair.
    In the turns before, whoever comes after the longest wait has the coldest memory."""
    rates = []
    for number in range(options.pairs):
        turn, question = options.turns + 2 + number, STORY.format(number=number + 1)
        if number % 2:
            theirs = await raw.ask(turn, question, "", ())
        ours, *_ = await product.ask(turn, question)
        if not number % 2:
            theirs = await raw.ask(turn, question, "", ())
        if ours.rate and theirs.rate:
            rates.append((ours.rate, theirs.rate))
    return rates


def shown(turns: int) -> list[int]:
    """The turns that the table shows, the one after resuming included."""
    return [*(turn for turn in SHOWN if turn < turns), turns, turns + 1]


async def in_turn(
    turn: int, question: str, product: Product, rivals: Sequence[Apart], *, is_left_out: bool
) -> list[Cost]:
    """One question to all, the rivals in an order that alternates; Mem0's way may be left out."""
    ours, block, notes = await product.ask(turn, question)
    raw, mem0 = rivals
    if is_left_out:
        theirs = [await raw.ask(turn, question, block, notes)]
        mem0.hear(question, raw.said)
    else:
        order = (raw, mem0) if turn % 2 else (mem0, raw)
        theirs = [await each.ask(turn, question, block, notes) for each in order]
    return [ours, *theirs]


# ---------------------------------------------------------------------- what it comes to


def middle(sessions: Sequence[Sitting], system: str, turn: int) -> Cost:
    """The cost of a turn: tokens of the first session, the median of the seconds of all."""
    found = [c for each in sessions for c in each.costs if (c.system, c.turn) == (system, turn)]
    return replace(found[0], first_seconds=statistics.median(c.first_seconds for c in found))


def turns_table(sessions: Sequence[Sitting], systems: Sequence[str], turns: int) -> str:
    """What is waited for in the turns that are shown, and after resuming."""
    rows = []
    for turn in shown(turns):
        ours = middle(sessions, OURS, turn)
        for system in systems:
            cost = middle(sessions, system, turn)
            ratio = cost.first_seconds / ours.first_seconds
            name = f"{turn}" if turn <= turns else f"{turn}, resumed"
            rows.append(
                (name, system, f"{cost.prompt:,}", cost.memories, f"{cost.evaluated:,}",
                 f"{cost.first_seconds:.2f} s", f"×{ratio:.1f}")
            )  # fmt: skip
    head = ("turn", "system", "prompt tokens", "memories put in",
            "evaluated before the first token", "time to first token",
            "against Tsubasa")  # fmt: skip
    return table(head, rows)


def whole_table(sessions: Sequence[Sitting], systems: Sequence[str], turns: int) -> str:
    """What the whole session costs, without the turn after resuming, where all turns were asked."""
    rows = []
    for system in systems:
        kept = [
            [c for c in each.costs if c.system == system and c.turn <= turns] for each in sessions
        ]
        if len(kept[0]) < turns:
            continue
        waited = statistics.median(sum(c.first_seconds for c in costs) for costs in kept)
        before, all_of = (sum(getattr(c, n) for c in kept[0]) for n in ("evaluated", "prefilled"))
        told = sum(c.memories for c in kept[0])
        rows.append((system, f"{before:,}", f"{all_of:,}", f"{waited:.1f} s", told))
    head = ("system", "evaluated before first tokens", "prompt tokens evaluated altogether",
            "waited for first tokens", "memories put in")  # fmt: skip
    return table(head, rows)


def decoding(sessions: Sequence[Sitting]) -> str:
    """The ratio of decode rates: the median of all pairs, and the middle half."""
    pairs = [pair for each in sessions for pair in each.rates]
    if len(pairs) < 2:
        return "Decoding was not compared."
    ours, raw = (statistics.median(side) for side in zip(*pairs, strict=True))
    low, median, high = statistics.quantiles([a / b for a, b in pairs], n=4)
    return (
        f"Decoding in another session, in {len(pairs)} pairs of answers that go on: Tsubasa"
        f" {ours:.1f} tokens/s, the raw loop {raw:.1f}; the median of the ratios is {median:.2f}"
        f" (middle half {low:.2f}–{high:.2f})."
    )


def behind(costs: Sequence[Cost], turns: int) -> Iterator[str]:
    """What speaks against us, of one session."""
    asked = [cost for cost in costs if cost.turn <= turns]
    ours = {cost.turn: cost for cost in asked if cost.system == OURS}
    for rival in (RawChat.name, Mem0Style.name):
        theirs = [cost for cost in asked if cost.system == rival]
        fewer = [str(c.turn) for c in theirs if c.evaluated < ours[c.turn].evaluated]
        named = f" ({', '.join(fewer)})" if fewer else ""
        yield (
            f"- {rival}: fewer tokens before the first token than Tsubasa in {len(fewer)} of the"
            f" {len(theirs)} turns that it was asked in{named}."
        )
    told = [turn for turn, cost in ours.items() if cost.memories]
    yield (
        f"- Tsubasa puts memories in front of {len(told)} of {turns} questions, the last time in"
        f" turn {max(told, default=0)}: what was recalled stays in the history, is not repeated,"
        " and may fill a share of the window, all together. Mem0's way puts them in as long as"
        " the session goes on, since it drops them with the next question."
    )


def section(sessions: Sequence[Sitting], options: argparse.Namespace) -> str:
    """The section of the page."""
    systems = (OURS, RawChat.name, Mem0Style.name)
    return "\n\n".join(
        (
            origin(command_line(), options.model),
            f"{options.turns} turns, replies of {options.reply_tokens} tokens at most, seconds are"
            f" medians of {options.sessions} session(s). Tsubasa evaluates a reply again in the"
            " background, as history renders it, while it is read: that is in the tokens evaluated"
            " altogether, and not waited for.",
            turns_table(sessions, systems, options.turns),
            whole_table(sessions, systems, options.turns),
            decoding(sessions),
            "Where Tsubasa is not ahead:",
            "\n".join(behind(sessions[0].costs, options.turns)),
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--model", type=Path, default=starter_model())
    parser.add_argument("--turns", type=int, default=SHOWN[-1])
    parser.add_argument("--sessions", type=int, default=1)
    parser.add_argument("--window", type=int, default=8_192)
    parser.add_argument("--reply-tokens", type=int, default=16)
    parser.add_argument(
        "--brief", action="store_true", help="ask in Mem0's way in the turns that are shown alone"
    )
    parser.add_argument("--pairs", type=int, default=12, help="answers that go on, for decoding")
    parser.add_argument("--to", type=Path, help="the folder whose chat-speed.md gets the tables")
    options = parser.parse_args()
    sessions = [asyncio.run(sitting(options)) for _ in range(options.sessions)]
    told = section(sessions, options)
    print(told)
    if options.to:
        put_section(options.to / "chat-speed.md", TITLE, options.model.stem, told)


if __name__ == "__main__":
    main()
