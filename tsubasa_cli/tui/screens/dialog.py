"""What every dialog is: a screen on top of another, with a style sheet that is read when the first
one is opened."""

from __future__ import annotations

from pathlib import PurePath
from typing import ClassVar, TypeVar

from textual.screen import ModalScreen

from tsubasa_cli.tui.stylesheets import DIALOGS

Answer = TypeVar("Answer")


class Dialog(ModalScreen[Answer]):
    """A screen on top that is left with an answer."""

    CSS_PATH: ClassVar[list[str | PurePath]] = [DIALOGS]
