"""Tiny models of the Qwen-3 architecture: real GGUF files that real llama.cpp runs in milliseconds.

Two kinds. *Random* ones have random weights. *Scripted* ones are built by hand so that greedy or
sampled decoding follows a table "token → next token": attention and feed-forward write nothing,
so the residual stream is the token's embedding, and the output row of a token points at the
embeddings of its predecessors. Behind ``assistant\\n`` they think and then reply; behind an empty
think block they reply at once.

Both have a byte-level BPE vocabulary in Qwen's style and a chat template that does what Qwen-3's
own does: the thinking switch, and think blocks that vanish from past replies.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np
import numpy.typing as npt

QWEN3_TEMPLATE = r"""
{%- if messages[0].role == 'system' %}
    {{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}
{%- endif %}
{%- set ns = namespace(open=true, last_query=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- if ns.open and message.role == 'user' %}
        {%- set ns.open = false %}
        {%- set ns.last_query = messages|length - 1 - loop.index0 %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.role == 'user' or (message.role == 'system' and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
    {%- elif message.role == 'assistant' %}
        {%- set content = message.content %}
        {%- set reasoning = '' %}
        {%- if '</think>' in content %}
            {%- set reasoning = content.split('</think>')[0].split('<think>')[-1].strip('\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\n') %}
        {%- endif %}
        {%- if loop.index0 > ns.last_query and (loop.last or reasoning) %}
            {{- '<|im_start|>assistant\n<think>\n' + reasoning + '\n</think>\n\n' + content }}
        {%- else %}
            {{- '<|im_start|>assistant\n' + content }}
        {%- endif %}
        {{- '<|im_end|>\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\n\n</think>\n\n' }}
    {%- endif %}
{%- endif %}
"""

CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
MARKUP = ("<think>", "</think>", "<tool_call>", "</tool_call>")
NEWLINE, PARAGRAPH = "Ċ", "ĊĊ"
"""Byte-level spellings of one newline and of two."""

ROLES = ("system", "user", "assistant")
"""One token each in Qwen's vocabulary, and so here: prompt format must cost what it costs there."""

THINKING = "Hmm, what do they want?"
REPLY = "Hello! The sky is blue 🪽 and birds fly over quiet hills."
ENDLESS = "one two three four five six seven eight nine ten eleven twelve"

HEAD = 128
"""Qwen-3's head width; transformers' GGUF loader ignores any other."""


@dataclass(frozen=True)
class Shape:
    """Sizes of a tiny model."""

    width: int = 256
    layers: int = 2
    heads: int = 2
    feed_forward: int = 64
    window: int = 8192
    """What the file says it was trained on, in tokens."""


class Vocabulary:
    """Bytes, merges that spell some words in one token, and Qwen's special tokens."""

    def __init__(
        self,
        words: Sequence[str],
        control: Sequence[str] = CONTROL,
        markup: Sequence[str] = MARKUP,
        template: str = QWEN3_TEMPLATE,
    ) -> None:
        """``control`` begins with the BOS token and has the EOS token third."""
        self._control, self._markup, self._template = control, markup, template
        letters = _byte_letters()
        self.merges: list[str] = []
        tokens = list(letters.values())
        for word in dict.fromkeys([PARAGRAPH, *(_spell(w, letters) for w in (*ROLES, *words))]):
            self._merge(word, tokens)
        self.plain = len(tokens)
        self.tokens = [*tokens, *control, *markup]
        self._ids = {token: i for i, token in enumerate(self.tokens)}
        self._letters = letters

    def _merge(self, word: str, tokens: list[str]) -> None:
        done = word[0]
        for letter in word[1:]:
            if done + letter not in tokens:
                tokens.append(done + letter)
                self.merges.append(f"{done} {letter}")
            done += letter

    def id_of(self, token: str) -> int:
        return self._ids[token]

    def ids_of(self, text: str) -> Iterator[int]:
        """Token ids of a text whose words have a token each, other characters by bytes."""
        for word in _words(text):
            spelled = _spell(word, self._letters)
            yield from (
                [self._ids[spelled]]
                if spelled in self._ids
                else map(self._ids.__getitem__, spelled)
            )

    def types(self) -> list[gguf.TokenType]:
        kinds = [gguf.TokenType.NORMAL] * self.plain
        kinds += [gguf.TokenType.CONTROL] * len(self._control)
        return kinds + [gguf.TokenType.USER_DEFINED] * len(self._markup)

    def write(self, writer: gguf.GGUFWriter) -> None:
        """Add this vocabulary, and the template, to a file."""
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre("qwen2")
        writer.add_token_list(self.tokens)
        writer.add_token_types(self.types())
        writer.add_token_merges(self.merges)
        writer.add_eos_token_id(self.id_of(self._control[2]))
        writer.add_bos_token_id(self.id_of(self._control[0]))
        writer.add_add_bos_token(False)
        writer.add_chat_template(self._template)


def build_random_qwen3(path: Path, shape: Shape | None = None, seed: int = 7) -> Path:
    """A model of random weights: it says anything, special tokens included."""
    shape = shape or Shape()
    vocabulary = Vocabulary(_words(f"{THINKING} {REPLY} {ENDLESS}"))
    random = np.random.default_rng(seed)
    weights = {
        name: (random.standard_normal(size) * 0.05).astype(np.float32)
        for name, size in _tensor_sizes(shape, len(vocabulary.tokens)).items()
    }
    return write_qwen3(path, shape, vocabulary.write, _with_unit_norms(weights))


def build_embedding_qwen3(
    path: Path, shape: Shape | None = None, *, pooling: gguf.PoolingType | None = None
) -> Path:
    """A model of random weights whose file says that, and how, it embeds."""
    shape = shape or Shape()
    vocabulary = Vocabulary(_words(f"{THINKING} {REPLY} {ENDLESS}"))
    random = np.random.default_rng(11)
    weights = {
        name: (random.standard_normal(size) * 0.05).astype(np.float32)
        for name, size in _tensor_sizes(shape, len(vocabulary.tokens)).items()
    }

    def write(writer: gguf.GGUFWriter) -> None:
        vocabulary.write(writer)
        if pooling is not None:
            writer.add_pooling_type(pooling)

    return write_qwen3(path, shape, write, _with_unit_norms(weights))


def build_scripted_qwen3(
    path: Path,
    *,
    thinking: str = THINKING,
    reply: str = REPLY,
    is_endless: bool = False,
    shape: Shape | None = None,
    template: str = QWEN3_TEMPLATE,
) -> Path:
    """A model that thinks ``thinking`` and replies ``reply``, in which no token may occur twice;
    with ``is_endless`` the reply starts over instead of ending."""
    shape = shape or Shape()
    words = _words(f"{thinking} {reply}") + _words(thinking) + _words(reply)
    vocabulary = Vocabulary(words, template=template)
    successors = _successors(vocabulary, thinking, reply, is_endless)
    sizes = _tensor_sizes(shape, len(vocabulary.tokens))
    weights = {name: np.zeros(size, np.float32) for name, size in sizes.items()}
    random = np.random.default_rng(7)
    count = len(vocabulary.tokens)
    embeddings = random.choice([-1.0, 1.0], (count, shape.width)).astype(np.float32)
    weights["token_embd.weight"] = embeddings
    for token, successor in successors.items():
        weights["output.weight"][successor] += embeddings[token]
    return write_qwen3(path, shape, vocabulary.write, _with_unit_norms(weights))


def _successors(
    vocabulary: Vocabulary, thinking: str, reply: str, is_endless: bool
) -> dict[int, int]:
    newline, paragraph = vocabulary.id_of(NEWLINE), vocabulary.id_of(PARAGRAPH)
    opened, closed = vocabulary.id_of("<think>"), vocabulary.id_of("</think>")
    words = list(vocabulary.ids_of(reply))
    last = words[0] if is_endless else vocabulary.id_of("<|im_end|>")
    chain = [newline, opened, *vocabulary.ids_of(thinking), closed, paragraph, *words]
    if len(set(chain)) != len(chain):
        raise ValueError("a token occurs twice in the script")
    return dict(itertools.pairwise([*chain, last]))


def _tensor_sizes(shape: Shape, vocabulary: int) -> dict[str, tuple[int, ...]]:
    inner = shape.heads * HEAD
    sizes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (vocabulary, shape.width),
        "output_norm.weight": (shape.width,),
        "output.weight": (vocabulary, shape.width),
    }
    layer: dict[str, tuple[int, ...]] = {
        "attn_norm": (shape.width,),
        "attn_q": (inner, shape.width),
        "attn_k": (HEAD, shape.width),
        "attn_v": (HEAD, shape.width),
        "attn_output": (shape.width, inner),
        "attn_q_norm": (HEAD,),
        "attn_k_norm": (HEAD,),
        "ffn_norm": (shape.width,),
        "ffn_gate": (shape.feed_forward, shape.width),
        "ffn_up": (shape.feed_forward, shape.width),
        "ffn_down": (shape.width, shape.feed_forward),
    }
    for number in range(shape.layers):
        sizes |= {f"blk.{number}.{name}.weight": size for name, size in layer.items()}
    return sizes


def _with_unit_norms(
    weights: dict[str, npt.NDArray[np.float32]],
) -> dict[str, npt.NDArray[np.float32]]:
    return {
        name: np.ones_like(weight) if name.endswith("_norm.weight") else weight
        for name, weight in weights.items()
    }


def zero_weights(shape: Shape, vocabulary: int) -> dict[str, npt.NDArray[np.float32]]:
    """Tensors of a model of which only the vocabulary matters."""
    sizes = _tensor_sizes(shape, vocabulary)
    return _with_unit_norms({name: np.zeros(size, np.float32) for name, size in sizes.items()})


def write_qwen3(
    path: Path,
    shape: Shape,
    write_vocabulary: Callable[[gguf.GGUFWriter], None],
    weights: dict[str, npt.NDArray[np.float32]],
) -> Path:
    """A GGUF of the Qwen-3 architecture; ``write_vocabulary`` adds tokenizer and template."""
    writer = gguf.GGUFWriter(path, "qwen3")
    writer.add_name(path.stem)
    writer.add_context_length(shape.window)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(1)
    writer.add_key_length(HEAD)
    writer.add_value_length(HEAD)
    writer.add_rope_freq_base(1_000_000.0)
    writer.add_layer_norm_rms_eps(1e-6)
    write_vocabulary(writer)
    for name, weight in weights.items():
        writer.add_tensor(name, weight)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _byte_letters() -> dict[int, str]:
    """GPT-2's printable letter for each byte."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = (byte for byte in range(256) if byte not in printable)
    letters = {byte: chr(byte) for byte in printable}
    return letters | {byte: chr(256 + n) for n, byte in enumerate(others)}


def _spell(word: str, letters: dict[int, str]) -> str:
    return "".join(letters[byte] for byte in word.encode())


def _words(text: str) -> list[str]:
    """Words as Qwen's pre-tokenizer cuts them, as far as the scripts here need it: a word takes
    the space before it, punctuation stands alone, characters beyond ASCII stay bytes."""
    words: list[str] = []
    for part in text.split(" "):
        spaced = f" {part}" if words else part
        head = spaced.rstrip(".,!?")
        if head.isascii():
            words.append(head)
        else:
            words.extend([" ", *head.strip()] if words else list(head))
        words.extend(spaced[len(head) :])
    return words
