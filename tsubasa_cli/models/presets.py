"""How to sample from each family of models, as its makers recommend on its model card."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class SamplingPreset:
    """The same fields as the engine's sampling; see there."""

    temperature: float = 0.7
    top_p: float = 0.9
    top_k: int = 40
    min_p: float = 0.05
    presence_penalty: float = 0.0
    repeat_penalty: float = 1.0


DEFAULT = SamplingPreset()
_QWEN3_THINKING = SamplingPreset(0.6, 0.95, 20, 0.0)
_QWEN3_PLAIN = SamplingPreset(0.7, 0.8, 20, 0.0)

# Model cards: Qwen3 ("Best Practices"), Qwen2.5 (generation_config), SmolLM2 and 3 (examples),
# Llama 3 (generation_config), Gemma 3 (Gemma team), Mistral Small 3, DeepSeek-R1, gpt-oss.
_PLAIN = MappingProxyType(
    {
        "qwen3": _QWEN3_PLAIN,
        "qwen3-instruct": _QWEN3_PLAIN,
        "qwen3-thinking": _QWEN3_THINKING,
        "qwen2.5": SamplingPreset(0.7, 0.8, 20, 0.0, repeat_penalty=1.05),
        "smollm2": SamplingPreset(0.2, 0.9, 50, 0.0, repeat_penalty=1.1),
        "smollm3": SamplingPreset(0.6, 0.95, 0, 0.0),
        "llama3": SamplingPreset(0.6, 0.9, 0, 0.0),
        "gemma3": SamplingPreset(1.0, 0.95, 64, 0.0),
        "mistral": SamplingPreset(0.15, 1.0, 0, 0.0),
        "deepseek-r1": SamplingPreset(0.6, 0.95, 0, 0.0),
        "gpt-oss": SamplingPreset(1.0, 1.0, 0, 0.0),
    }
)
_THINKING = MappingProxyType({"qwen3": _QWEN3_THINKING})

_BY_ARCHITECTURE = MappingProxyType(
    {
        "qwen3": "qwen3",
        "qwen3moe": "qwen3",
        "qwen2": "qwen2.5",
        "qwen2moe": "qwen2.5",
        "gemma3": "gemma3",
        "gemma3n": "gemma3",
        "smollm3": "smollm3",
        "mistral3": "mistral",
        "gpt-oss": "gpt-oss",
    }
)
_BY_NAME = (
    ("deepseek-r1", "deepseek-r1"),
    ("smollm2", "smollm2"),
    ("mistral", "mistral"),
    ("ministral", "mistral"),
    ("mixtral", "mistral"),
    ("llama-3", "llama3"),
    ("llama3", "llama3"),
)

QUANTIZED_QWEN3_PRESENCE_PENALTY = 1.5


def family_of(architecture: str, *names: str) -> str:
    """The family by architecture and by what the model calls itself; "default" when unknown."""
    called = " ".join(names).lower().replace(" ", "-").replace("_", "-")
    for part, family in _BY_NAME:
        if part in called:
            return family
    family = _BY_ARCHITECTURE.get(architecture, "default")
    if family == "qwen3" and "2507" in called:
        # The 2507 releases are not hybrid: each thinks always or never.
        return "qwen3-thinking" if "thinking" in called else "qwen3-instruct"
    return family


def sampling_for(family: str, thinking: bool) -> SamplingPreset:
    """The preset of ``family``, which for hybrid models depends on whether they think."""
    by_family = _THINKING if thinking and family in _THINKING else _PLAIN
    return by_family.get(family, DEFAULT)


def presence_penalty_against_repetition(family: str) -> float:
    """What the makers advise when a quantized model repeats itself; 0 when they advise nothing.

    Higher values can mix languages, so it is a remedy and not the preset.
    """
    return QUANTIZED_QWEN3_PRESENCE_PENALTY if family.startswith("qwen3") else 0.0
