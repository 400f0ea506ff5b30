"""A vocabulary and a chat template per family, as GGUFs that llama.cpp's tokenizer reads.

The templates are compact forms of what each family's files carry: their marks, their trimming,
and what they refuse.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import gguf
from tiny_models import (
    CONTROL,
    MARKUP,
    QWEN3_TEMPLATE,
    Shape,
    Vocabulary,
    write_qwen3,
    zero_weights,
)

MUST_ALTERNATE = (
    "{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/...') }}{% endif %}"
)

SMOLLM2 = (
    "{% for m in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful assistant<|im_end|>\n' }}{% endif %}"
    "{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LLAMA3 = (
    "{% for m in messages %}{% set content = '<|start_header_id|>' + m['role'] + "
    "'<|end_header_id|>\n\n' + m['content'] | trim + '<|eot_id|>' %}"
    "{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}"
    "{{ content }}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}{% for m in messages %}"
    + MUST_ALTERNATE
    + "{% set role = 'model' if m['role'] == 'assistant' else m['role'] %}"
    "{{ '<start_of_turn>' + role + '\n' + m['content'] | trim + '<end_of_turn>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
MISTRAL = (
    "{% if messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] %}"
    "{% set turns = messages[1:] %}{% else %}{% set turns = messages %}{% endif %}"
    "{{ bos_token }}{% for m in turns %}" + MUST_ALTERNATE + "{% if m['role'] == 'user' %}"
    "{% if loop.last and system is defined %}{{ '[INST] ' + system + '\n\n' + m['content'] }}"
    "{% else %}{{ '[INST] ' + m['content'] }}{% endif %}{{ '[/INST]' }}"
    "{% else %}{{ ' ' + m['content'] + eos_token }}{% endif %}{% endfor %}"
)
PHI3 = (
    "{% for m in messages %}{{ '<|' + m['role'] + '|>\n' + m['content'] + '<|end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)


@dataclass(frozen=True)
class Family:
    """``is_spm``: a SentencePiece vocabulary, which puts a space before text if it ``pads``."""

    name: str
    template: str
    control: tuple[str, ...]
    markup: tuple[str, ...] = ()
    is_spm: bool = False
    pads: bool = False
    adds_bos: bool = False
    folds_system: bool = False

    @property
    def marks(self) -> tuple[str, ...]:
        """Everything that must stay text when it is typed."""
        return self.control + self.markup


LLAMA3_ENDS = ("<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>")
SPM = ("<s>", "<unk>", "</s>")
FAMILIES = (
    Family("qwen3", QWEN3_TEMPLATE, CONTROL, MARKUP),
    Family("chatml", SMOLLM2, CONTROL),
    Family(
        "llama3",
        LLAMA3,
        (*LLAMA3_ENDS, "<|start_header_id|>", "<|end_header_id|>"),
        adds_bos=True,
    ),
    Family(
        "gemma",
        GEMMA,
        ("<bos>", "<unk>", "<eos>", "<start_of_turn>", "<end_of_turn>"),
        ("<h1>", "[@BOS@]", "\n\n"),
        is_spm=True,
        adds_bos=True,
        folds_system=True,
    ),
    Family(
        "mistral",
        MISTRAL,
        (*SPM, "[INST]", "[/INST]", "[TOOL_CALLS]"),
        is_spm=True,
        pads=True,
        adds_bos=True,
        folds_system=True,
    ),
    Family(
        "phi3",
        PHI3,
        (*SPM, "<|endoftext|>", "<|user|>", "<|assistant|>", "<|system|>", "<|end|>"),
        ("    ",),
        is_spm=True,
        pads=True,
        adds_bos=True,
    ),
)


def build_family(path: Path, family: Family) -> Path:
    """A GGUF whose vocabulary and template are of ``family``."""
    shape = Shape(width=64, layers=1, heads=1)
    if family.is_spm:
        vocabulary = SpmVocabulary(family)
        weights = zero_weights(shape, len(vocabulary.tokens))
        return write_qwen3(path, shape, vocabulary.write, weights)
    made = Vocabulary(["hello", " hello"], family.control, family.markup, family.template)
    weights = zero_weights(shape, len(made.tokens))
    return write_qwen3(path, shape, made.write, weights)


class SpmVocabulary:
    """Marks, bytes, letters and a few words; "s>" is among them, so that "<s>" typed by a user
    would merge into the control token if nothing stopped it."""

    def __init__(self, family: Family) -> None:
        self._family = family
        pieces = dict.fromkeys(family.control, gguf.TokenType.CONTROL)
        pieces["<unk>"] = gguf.TokenType.UNKNOWN
        pieces |= {f"<0x{byte:02X}>": gguf.TokenType.BYTE for byte in range(256)}
        plain = ["▁", "s>", "▁h", "he", "ll", "▁he", "hell", "▁hell", "hello", "▁hello"]
        plain += [chr(code) for code in range(33, 127)]
        pieces |= dict.fromkeys(plain, gguf.TokenType.NORMAL)
        pieces |= dict.fromkeys(family.markup, gguf.TokenType.USER_DEFINED)
        self.tokens = list(pieces)
        self._types = list(pieces.values())

    def write(self, writer: gguf.GGUFWriter) -> None:
        writer.add_tokenizer_model("llama")
        writer.add_token_list(self.tokens)
        writer.add_token_scores([-float(n) for n in range(len(self.tokens))])
        writer.add_token_types(self._types)
        writer.add_bos_token_id(0)
        writer.add_unk_token_id(1)
        writer.add_eos_token_id(2)
        writer.add_add_bos_token(self._family.adds_bos)
        writer.add_add_space_prefix(self._family.pads)
        writer.add_chat_template(self._family.template)
