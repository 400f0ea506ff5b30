"""Folding the oldest turns into a summary when the window is nearly full.

The request is the old part of the window itself plus one instruction, so the engine finds nearly
all of it in its KV cache. What one request cannot hold is folded in several, each carrying the
summary so far. A model that answers with nothing is replaced by plain extraction: something true
of every turn is kept, whatever the model's size.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources

from tsubasa_cli.conversation.packing import pack, prompt_text
from tsubasa_cli.engine.client import Engine
from tsubasa_cli.engine.protocol import Done, Message, Sampling, StopReason
from tsubasa_cli.storage.values import Instant, Role, Summary, Turn

KEEP_SHARE = 0.45
"""Share of the window that the turns left unfolded may fill."""
SUMMARY_SHARE = 0.12
"""Longest summary, as a share of the window."""
EXTRACT_CHARACTERS = 120
SAMPLING = Sampling(temperature=0.0)


def instruction() -> str:
    """The wording of the summary request, kept as data."""
    folder = resources.files("tsubasa_cli.conversation") / "prompts"
    return (folder / "summary.md").read_text("utf-8").strip()


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


async def summarise(
    engine: Engine, system_prompt: str, turns: Sequence[Turn], earlier: Summary | None
) -> str:
    """A summary of ``turns`` (and of what ``earlier`` stands for), at most 12 % of the window."""
    window = engine.loaded.n_ctx if engine.loaded else 2048
    longest = max(int(window * SUMMARY_SHARE), 64)
    room = window - longest - 64
    text = ""
    for chunk in await _chunks(engine, system_prompt, turns, earlier, room):
        carried = _standing_for(chunk[0], text) if text else earlier
        request = _request(system_prompt, chunk, carried)
        text = await _complete(engine, request, longest) or extract(chunk, text)
    return text


def extract(turns: Sequence[Turn], earlier: str = "") -> str:
    """A summary without a model: the beginning of everything the user said."""
    said = [
        f"- The user said: {' '.join(prompt_text(turn).split())[:EXTRACT_CHARACTERS]}"
        for turn in turns
        if turn.role is Role.USER and prompt_text(turn)
    ]
    return "\n".join(filter(None, [earlier, *said[-20:]]))


async def _chunks(
    engine: Engine,
    system_prompt: str,
    turns: Sequence[Turn],
    earlier: Summary | None,
    room: int,
) -> list[list[Turn]]:
    whole = _request(system_prompt, turns, earlier)
    if (await engine.count(whole, thinking=False)).prompt <= room:
        return [list(turns)]
    texts = tuple(Message(turn.role.value, prompt_text(turn)) for turn in turns)
    sizes = (await engine.count(texts, thinking=False)).texts
    chunks: list[list[Turn]] = [[]]
    filled = 0
    for turn, size in zip(turns, sizes, strict=True):
        if chunks[-1] and filled + size > room // 2:
            chunks.append([])
            filled = 0
        chunks[-1].append(_clipped(turn, size, room // 2))
        filled += min(size, room // 2)
    return chunks


def _clipped(turn: Turn, size: int, limit: int) -> Turn:
    if size <= limit:
        return turn
    half = len(turn.text) * limit // size // 2
    text = f"{turn.text[:half]}\n[…]\n{turn.text[-half:]}"
    return Turn(
        turn.id, turn.session_id, turn.parent_id, turn.role, text, turn.status, turn.created_at
    )


def _request(
    system_prompt: str, turns: Sequence[Turn], earlier: Summary | None
) -> tuple[Message, ...]:
    last = turns[-1]
    asking = Turn(
        0, last.session_id, last.id, Role.USER, instruction(), last.status, last.created_at
    )
    return pack(system_prompt, _uncovered(turns, asking), earlier).messages


def _uncovered(turns: Sequence[Turn], asking: Turn) -> list[Turn]:
    return [*turns, asking]


def _standing_for(turn: Turn, text: str) -> Summary:
    return Summary(0, turn.session_id, turn.parent_id or 0, text, Instant.now())


async def _complete(engine: Engine, messages: tuple[Message, ...], longest: int) -> str:
    async for event in engine.generate(
        messages, SAMPLING, thinking=False, max_tokens=longest, settle=False
    ):
        if isinstance(event, Done):
            return "" if event.reason is StopReason.CANCELLED else event.text.strip()
    return ""
