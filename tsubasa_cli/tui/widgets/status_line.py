"""One line about the engine and the memory: model, what it does, how full the window is."""

from __future__ import annotations

from dataclasses import dataclass, replace

from textual.content import Content
from textual.widgets import Static

from tsubasa_cli.conversation.events import EngineState, Phase, WindowUse
from tsubasa_cli.tui import wording

REDRAW_SECONDS = 0.2
"""At most five redraws a second: each costs a pass of the compositor."""
OFF = EngineState(Phase.OFF)
NO_WINDOW = WindowUse(0, 0)
AMBER_ABOVE = 0.70
RED_ABOVE = 0.85

_WORDS = {
    Phase.OFF: "off",
    Phase.STARTING: "starting",
    Phase.LOADING: "loading",
    Phase.PROBING: "checking",
    Phase.READY: "ready",
    Phase.READING: "reading",
    Phase.WRITING: "writing",
    Phase.RESTARTING: "restarting",
    Phase.FAILED: "failed",
}
_COLOURS = {
    Phase.READY: "$success",
    Phase.WRITING: "$accent",
    Phase.READING: "$primary",
    Phase.FAILED: "$error",
    Phase.RESTARTING: "$warning",
}


@dataclass(frozen=True, slots=True)
class Status:
    """What the line shows. ``speed`` is in tokens per second, 0 when unknown; ``model`` is the
    chat's own, empty for the one that the engine has; ``memory`` says what it does or did last."""

    engine: EngineState = OFF
    window: WindowUse = NO_WINDOW
    speed: float = 0.0
    thinking: bool | None = None
    queued: int = 0
    model: str = ""
    incognito: bool = False
    memory: str = ""


def engine_words(state: EngineState) -> str:
    """ "loading 42 %", "reading 512/2,100", "ready"."""
    word = _WORDS[state.phase]
    if state.phase is Phase.LOADING and state.fraction is not None:
        return f"{word} {state.fraction:.0%}".replace("%", " %")
    return f"{word} {state.detail}" if state.phase is Phase.READING and state.detail else word


def bar(fraction: float, cells: int) -> str:
    """A bar of ``cells`` characters with eighth steps."""
    eighths = round(min(max(fraction, 0.0), 1.0) * cells * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else "")).ljust(cells, "·")[:cells]


def meter_colour(fraction: float) -> str:
    """The context meter's colour at that fill."""
    if fraction > RED_ABOVE:
        return "$error"
    return "$warning" if fraction > AMBER_ABOVE else "$primary"


def render_status(status: Status, width: int) -> Content:
    """The line at ``width`` cells: what matters least is left out first."""
    state = status.engine
    engine = Content.assemble(
        ("● ", _COLOURS.get(state.phase, "$foreground-muted")), (engine_words(state), "$foreground")
    )
    queued = _muted(f"{status.queued} queued") if status.queued else None
    speed = _muted(f"{status.speed:.0f} tok/s") if status.speed else None
    thinking = None
    if status.thinking is not None:
        thinking = _muted("thinking on" if status.thinking else "thinking off")
    name = status.model or state.model
    model = _muted(name) if name else None
    known = _muted(_known(status)) if _known(status) else None
    incognito = Content.styled("incognito", "$accent") if status.incognito else None
    memory = _muted(status.memory) if status.memory else None
    meter = _meter(status.window, width)
    by_importance = [engine, incognito, meter, queued, memory, known, model, speed, thinking]
    kept = _fitting([part for part in by_importance if part], width)
    in_order = [engine, incognito, queued, model, known, thinking, speed, memory, meter]
    return Content("  ").join([part for part in in_order if part in kept])


def _known(status: Status) -> str:
    """Up to when the model that answers knows the user by heart."""
    moment = status.engine.knows_as_of
    if moment is None or status.incognito or status.model not in ("", status.engine.model):
        return ""
    return f"knows you as of {wording.day(moment.local().date())}"


def _fitting(parts: list[Content], width: int) -> list[Content]:
    kept: list[Content] = []
    for part in parts:
        if sum(p.cell_length + 2 for p in kept) + part.cell_length <= width:
            kept.append(part)
    return kept


def _meter(window: WindowUse, width: int) -> Content | None:
    if not window.total:
        return None
    colour = meter_colour(window.fraction)
    numbers = f"{wording.short_tokens(window.used)}/{wording.short_tokens(window.total)}"
    if width < 40:
        return Content.styled(numbers, colour)
    cells = 8 if width < 80 else 12
    return Content.assemble(
        (bar(window.fraction, cells), colour), " ", (numbers, "$foreground-muted")
    )


def _muted(text: str) -> Content:
    return Content.styled(text, "$foreground-muted")


class StatusLine(Static):
    """Shows the last ``Status`` given, at most five times a second."""

    def __init__(self) -> None:
        super().__init__("", id="status")
        self.status = Status()
        self._due = False

    def change(self, **fields: object) -> None:
        """Replace fields of the status; the line follows within a fifth of a second."""
        self.status = replace(self.status, **fields)  # type: ignore[arg-type]
        if not self._due:
            self._due = True
            self.set_timer(REDRAW_SECONDS, self._redraw)

    def on_resize(self) -> None:
        self._redraw()

    def _redraw(self) -> None:
        self._due = False
        width = self.content_size.width or self.app.size.width
        self.update(render_status(self.status, width), layout=False)
