"""What a file that is no GGUF looks like, so that the error can say it."""

from __future__ import annotations

from typing import NamedTuple

CONVERT = "Get the GGUF of this model: tsubasa model pull OWNER/REPO, or convert it."


class Lookalike(NamedTuple):
    """What a file seems to be, and what to do about it."""

    why: str
    next_step: str


_BEGINNINGS: tuple[tuple[bytes, Lookalike], ...] = (
    (b"PK\x03\x04", Lookalike("It looks like a zip archive (or a PyTorch checkpoint).", CONVERT)),
    (b"\x80\x02", Lookalike("It looks like a pickled PyTorch checkpoint.", CONVERT)),
    (b"\x1f\x8b", Lookalike("It looks like a gzip archive.", "Unpack it first.")),
    (b"7z\xbc\xaf", Lookalike("It looks like a 7-Zip archive.", "Unpack it first.")),
    (
        b"version https://git-lfs",
        Lookalike(
            "It is a Git-LFS pointer: a note of where the model is, not the model.",
            "Run git lfs pull in the repository that it came from.",
        ),
    ),
    (
        b"lmgg",
        Lookalike("It is a GGML file of before August 2023.", "Get the GGUF of this model."),
    ),
    (
        b"tjgg",
        Lookalike("It is a GGJT file of before August 2023.", "Get the GGUF of this model."),
    ),
    (b"{", Lookalike("It looks like JSON text.", "Give the path of the .gguf file itself.")),
)

_HTML = Lookalike(
    "It is a web page, not a model.", "Download the file itself (the hub's “resolve” link)."
)
_SAFETENSORS = Lookalike("It looks like a safetensors file.", CONVERT)
_EMPTY = Lookalike("It is empty.", "Download the file again.")


def looks_like(head: bytes, size: int) -> Lookalike:
    """What the first bytes of a file of ``size`` bytes say it is."""
    if size == 0:
        return _EMPTY
    for beginning, lookalike in _BEGINNINGS:
        if head.startswith(beginning):
            return lookalike
    if head.lstrip().lower().startswith((b"<!doctype", b"<html")):
        return _HTML
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < size:
        return _SAFETENSORS
    if not head.strip(b"\0"):
        return Lookalike("It begins with zeros, as an unfinished download does.", "Get it again.")
    shown = head[:4].hex(" ")
    return Lookalike(
        f"It begins with the bytes {shown}; a GGUF begins with 47 47 55 46.",
        "Give the path of the .gguf file itself.",
    )
