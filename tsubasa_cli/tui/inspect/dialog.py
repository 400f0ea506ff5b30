"""What every dialog of the inspector is."""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import ClassVar, TypeVar

from tsubasa_cli.tui.screens.dialog import Dialog
from tsubasa_cli.tui.stylesheets import DIALOGS

Answer = TypeVar("Answer")


class InspectDialog(Dialog[Answer]):
    """A dialog with the inspector's own styles besides."""

    CSS_PATH: ClassVar[list[str | PurePath]] = [DIALOGS, Path(__file__).parent / "dialogs.tcss"]
