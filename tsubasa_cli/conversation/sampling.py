"""How a chat chooses its tokens: what suits the model, then what the user set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from types import MappingProxyType

from tsubasa_cli.engine.protocol import Sampling
from tsubasa_cli.models.presets import sampling_for
from tsubasa_cli.storage.settings import SamplingSettings

NOTHING: Mapping[str, float | int] = MappingProxyType({})


def chat_sampling(
    family: str,
    settings: SamplingSettings,
    *,
    thinking: bool,
    overrides: Mapping[str, float | int] = NOTHING,
) -> Sampling:
    """The recommendation for models of ``family``, then the settings, then ``overrides``."""
    preset = asdict(sampling_for(family, thinking))
    return Sampling(**{**preset, **settings.chosen(), **overrides})
