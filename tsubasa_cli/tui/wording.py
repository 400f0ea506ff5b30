"""Numbers, sizes, dates and foreign words as people may read them."""

from __future__ import annotations

from datetime import date, datetime, timedelta

KB = 1024
GROUPS = ("Today", "Yesterday", "This week", "Older")

_CONTROLS = {code: "\ufffd" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}
_BIDI_OVERRIDES = dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)))


def visible(text: str) -> str:
    """``text`` as it may be shown: what would steer the terminal becomes U+FFFD. Never for what
    is stored, sent or copied."""
    return text.replace("\r\n", "\n").translate(_CONTROLS)


def visible_line(text: str) -> str:
    """``text`` on one line, without what would turn the rest of the line around."""
    return visible(" ".join(text.split())).translate(_BIDI_OVERRIDES)


def visible_text(text: str) -> str:
    """A text of several lines, without what would turn a line around."""
    return visible(text).translate(_BIDI_OVERRIDES)


def visible_words(text: str) -> str:
    """A piece of a line, its blanks as they are."""
    return visible(text.replace("\n", " ").replace("\t", " ")).translate(_BIDI_OVERRIDES)


def size(count: int) -> str:
    """Bytes as "812 B", "51 KB", "1.0 MB" or "2.5 GB"."""
    if count < KB:
        return f"{count} B"
    if count < KB**2:
        return f"{count / KB:.0f} KB"
    if count < KB**3:
        return f"{count / KB**2:.1f} MB"
    return f"{count / KB**3:.1f} GB"


def duration(seconds: float) -> str:
    """Seconds as "less than a second", "4 s" or "2 min 05 s"."""
    whole = round(seconds)
    if whole < 1:
        return "less than a second"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def count(number: int, noun: str) -> str:
    """ "1 message", "1,204 messages"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def memories(number: int) -> str:
    """ "1 memory", "1,204 memories"."""
    return f"{number:,} memory" if number == 1 else f"{number:,} memories"


def day(moment: date) -> str:
    """A day as "3 May 2026"."""
    return f"{moment.day} {moment:%B %Y}"


def short_tokens(tokens: int) -> str:
    """Tokens as "812", "4.1k" or "33k"."""
    if tokens < 1000:
        return str(tokens)
    return f"{tokens / 1000:.1f}k" if tokens < 10_000 else f"{tokens / 1000:.0f}k"


def day_group(moment: datetime, now: datetime) -> str:
    """Which heading of the session list ``moment`` belongs under."""
    days = (now.date() - moment.astimezone(now.tzinfo).date()) // timedelta(days=1)
    if days <= 0:
        return GROUPS[0]
    if days == 1:
        return GROUPS[1]
    return GROUPS[2] if days < 7 else GROUPS[3]


def first_line(text: str, width: int) -> str:
    """The beginning of ``text`` on one line of at most ``width`` characters."""
    line = visible_line(text[: width * 4])
    return line if len(line) <= width else f"{line[: width - 1]}…"


def decimal_size(count: int) -> str:
    """Bytes of a model as hubs and disks count them: "2.5 GB", "640 MB"."""
    if count >= 10**9:
        return f"{count / 10**9:.1f} GB"
    return f"{count / 10**6:.0f} MB" if count >= 10**6 else f"{count / 1000:.0f} KB"
