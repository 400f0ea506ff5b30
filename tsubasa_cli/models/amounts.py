"""Amounts of memory as people read them."""

from __future__ import annotations

GB = 1_000_000_000
MB = 1_000_000


def in_words(n_bytes: int) -> str:
    """``n_bytes`` in GB or MB (decimal, as disks and hubs count): "2.5 GB", "98 MB", "12 KB"."""
    if n_bytes >= GB:
        return f"{n_bytes / GB:,.1f} GB"
    if n_bytes >= MB:
        return f"{n_bytes / MB:,.0f} MB"
    return f"{-(-n_bytes // 1000):,} KB"


def parameters(count: int) -> str:
    """A number of weights: "4.0B", "135M"; empty for 0."""
    if count >= GB:
        return f"{count / GB:,.1f}B"
    return f"{count / MB:,.0f}M" if count else ""
