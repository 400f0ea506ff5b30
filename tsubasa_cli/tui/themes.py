"""The two faces of Tsubasa: a swallow at night and a swallow on paper.

Indigo is its back, cream its belly, and the one accent the rust of its throat.
"""

from __future__ import annotations

from textual.theme import Theme

NIGHT = Theme(
    name="tsubasa-night",
    dark=True,
    primary="#93A4E8",
    secondary="#6C79B8",
    accent="#F09A6E",
    foreground="#E4DFD3",
    background="#10122A",
    surface="#161934",
    panel="#1F2345",
    success="#8FBF9F",
    warning="#E8C268",
    error="#E8747C",
    variables={
        "border": "#93A4E8 70%",
        "border-blurred": "#2C3160",
        "block-cursor-background": "#2C3160",
        "block-cursor-foreground": "#F4EFE4",
        "block-cursor-text-style": "none",
        "block-hover-background": "#1F2345",
        "footer-key-foreground": "#F09A6E",
        "input-cursor-background": "#F09A6E",
        "input-cursor-foreground": "#10122A",
        "input-selection-background": "#93A4E8 30%",
        "scrollbar": "#2C3160",
        "scrollbar-hover": "#3B4280",
        "scrollbar-active": "#93A4E8",
        "scrollbar-background": "#10122A",
        "scrollbar-background-hover": "#10122A",
        "scrollbar-background-active": "#10122A",
        "scrollbar-corner-color": "#10122A",
        "link-color": "#93A4E8",
        "markdown-h1-color": "#F4EFE4",
        "markdown-h2-color": "#C9D2FF",
        "markdown-h3-color": "#B3BFF5",
        "markdown-h2-text-style": "bold",
    },
)

DAY = Theme(
    name="tsubasa-day",
    dark=False,
    primary="#3D4A94",
    secondary="#7079A8",
    accent="#AE4A22",
    foreground="#2A2C44",
    background="#F7F2E8",
    surface="#F1EADC",
    panel="#E7DECC",
    success="#3F7A54",
    warning="#96690A",
    error="#B3303C",
    variables={
        "border": "#3D4A94 70%",
        "border-blurred": "#D5C9B2",
        "block-cursor-background": "#DDD2BC",
        "block-cursor-foreground": "#1E2038",
        "block-cursor-text-style": "none",
        "block-hover-background": "#E7DECC",
        "footer-key-foreground": "#AE4A22",
        "input-cursor-background": "#AE4A22",
        "input-cursor-foreground": "#F7F2E8",
        "input-selection-background": "#3D4A94 25%",
        "scrollbar": "#D5C9B2",
        "scrollbar-hover": "#BFB195",
        "scrollbar-active": "#3D4A94",
        "scrollbar-background": "#F7F2E8",
        "scrollbar-background-hover": "#F7F2E8",
        "scrollbar-background-active": "#F7F2E8",
        "scrollbar-corner-color": "#F7F2E8",
        "link-color": "#3D4A94",
        "markdown-h1-color": "#1E2038",
        "markdown-h2-color": "#2F3A7A",
        "markdown-h3-color": "#3D4A94",
        "markdown-h2-text-style": "bold",
    },
)

OWN_THEMES = (NIGHT, DAY)
DEFAULT_THEME = NIGHT.name
