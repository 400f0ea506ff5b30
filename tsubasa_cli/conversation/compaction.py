"""Folding the oldest turns into a summary when the window is nearly full.

The request is the old part of the window itself plus one instruction, so the engine finds nearly
all of it in its KV cache. What one request cannot hold is folded in several, each carrying the
summary so far. A model that answers with nothing is replaced by plain extraction: something true
of every turn is kept, whatever the model's size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import resources

from tsubasa_cli.conversation.packing import pack, prompt_text
from tsubasa_cli.engine.client import Engine
from tsubasa_cli.engine.protocol import Done, Message, Sampling, StopReason
from tsubasa_cli.errors import InputError
from tsubasa_cli.storage.values import Instant, Role, Summary, Turn, TurnStatus

KEEP_SHARE = 0.45
"""Share of the window that the turns left unfolded may fill."""
SUMMARY_SHARE = 0.12
"""Longest summary, as a share of the window."""
SHORTEST_SUMMARY = 48
EXTRACT_CHARACTERS = 120
SAMPLING = Sampling(temperature=0.0)


def split_at(turns: Sequence[Turn], sizes: Sequence[int], keep_tokens: int) -> int:
    """How many of the oldest turns to fold so that the rest is at most ``keep_tokens``.

    ``sizes`` are the turns' tokens. The rest begins with a question, and the newest question is
    never folded. 0 means that nothing can be folded.
    """
    questions = [i for i, turn in enumerate(turns) if turn.role is Role.USER]
    if len(questions) < 2:
        return 0
    for start in questions[1:]:
        if sum(sizes[start:]) <= keep_tokens:
            return start
    return questions[-1]


class Folding:
    """Makes one summary with ``engine``. ``is_stopped`` is asked between the steps."""

    def __init__(self, engine: Engine, system_prompt: str, is_stopped: Callable[[], bool]) -> None:
        self._engine = engine
        self._system_prompt = system_prompt
        self._is_stopped = is_stopped
        window = engine.loaded.n_ctx if engine.loaded else 0
        self._longest = max(int(window * SUMMARY_SHARE), SHORTEST_SUMMARY)
        self._room = window - self._longest - 16

    async def summarise(self, turns: Sequence[Turn], earlier: Summary | None) -> str | None:
        """A summary of ``turns`` and of what ``earlier`` stands for, at most 12 % of the window;
        None when it was stopped. Raises ``InputError`` when the system prompt leaves no room.
        """
        text = await self.shortened(earlier.text) if earlier else ""
        for chunk in await self._chunks(turns, text):
            said = await self._complete(_request(self._system_prompt, chunk, text))
            if said is None or self._is_stopped():
                return None
            text = said or await self.shortened(extract(chunk, text))
        return text

    async def shortened(self, text: str) -> str:
        """``text``, cut at its beginning where it is longer than a summary may be."""
        size = (await self._engine.count((Message("user", text),))).texts[0]
        if size <= self._longest:
            return text
        return text[-int(len(text) * self._longest / size) :]

    async def _chunks(self, turns: Sequence[Turn], earlier: str) -> list[list[Turn]]:
        """``turns`` in parts that a request holds beside the system prompt and a summary."""
        whole = _request(self._system_prompt, turns, earlier)
        if (await self._engine.count(whole, thinking=False)).prompt <= self._room:
            return [list(turns)]
        around = _request(self._system_prompt, turns[:0], "x")
        overhead = (await self._engine.count(around, thinking=False)).prompt + self._longest
        room = (self._room - overhead) * 3 // 4
        if room < SHORTEST_SUMMARY:
            raise InputError(
                "The system prompt leaves no room in the context window.",
                next_step="Shorten it with /system, or raise engine.context_tokens.",
            )
        texts = tuple(Message(turn.role.value, prompt_text(turn)) for turn in turns)
        sizes = (await self._engine.count(texts, thinking=False)).texts
        return _parts(turns, sizes, room)

    async def _complete(self, messages: tuple[Message, ...]) -> str | None:
        async for event in self._engine.generate(
            messages, SAMPLING, thinking=False, max_tokens=self._longest, settle=False
        ):
            if self._is_stopped():
                self._engine.cancel()
            if isinstance(event, Done):
                return None if event.reason is StopReason.CANCELLED else event.text.strip()
        return None


def extract(turns: Sequence[Turn], earlier: str = "") -> str:
    """A summary without a model: the beginning of everything the user said."""
    said = [
        f"- The user said: {' '.join(prompt_text(turn).split())[:EXTRACT_CHARACTERS]}"
        for turn in turns
        if turn.role is Role.USER and prompt_text(turn)
    ]
    return "\n".join(filter(None, [earlier, *said]))


def _parts(turns: Sequence[Turn], sizes: Sequence[int], room: int) -> list[list[Turn]]:
    parts: list[list[Turn]] = [[]]
    filled = 0
    for turn, size in zip(turns, sizes, strict=True):
        taken = min(size, room) + 8
        if parts[-1] and filled + taken > room:
            parts.append([])
            filled = 0
        parts[-1].append(_clipped(turn, size, room))
        filled += taken
    return parts


def _clipped(turn: Turn, size: int, limit: int) -> Turn:
    if size <= limit:
        return turn
    half = len(turn.text) * limit // size * 9 // 20
    return replace(turn, text=f"{turn.text[:half]}\n[…]\n{turn.text[-half:]}")


def _request(system_prompt: str, turns: Sequence[Turn], earlier: str) -> tuple[Message, ...]:
    """The window with ``turns``, ``earlier`` before them and the instruction after them."""
    now = Instant(0)
    asking = Turn(0, "", None, Role.USER, _instruction(), TurnStatus.COMPLETE, now)
    summary = Summary(0, "", -1, earlier, now) if earlier else None
    return pack(system_prompt, [*turns, asking], summary)


def _instruction() -> str:
    folder = resources.files("tsubasa_cli.conversation") / "prompts"
    return (folder / "summary.md").read_text("utf-8").strip()
