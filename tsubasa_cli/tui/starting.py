"""No garbage is collected until the first picture is drawn.

Nearly all that is made until then, modules and widgets and their styles, is kept until the end.
Python would look through it time and again, for a tenth of the time that a start takes.
"""

from __future__ import annotations

import gc


def begin() -> None:
    """The program starts; to be called before the large imports."""
    gc.disable()


def done() -> None:
    """The first picture is drawn. What is there is not looked through any more."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
