"""A tiny embedding model of BERT's architecture: it reads in both directions, keeps no KV cache,
and takes a mark before and another behind a text."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np

WIDTH, WINDOW, LAYERS, FEED_FORWARD = 64, 64, 2, 128
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ["the", "sky", "is", "blue", "birds", "fly", "over", "quiet", "hills", "hello"]


def build_bert(path: Path, pooling: gguf.PoolingType) -> Path:
    """Random weights; words it knows are ``WORDS``."""
    writer = gguf.GGUFWriter(path, "bert")
    writer.add_name(path.stem)
    writer.add_context_length(WINDOW)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(2)
    writer.add_layer_norm_eps(1e-12)
    writer.add_causal_attention(False)
    writer.add_pooling_type(pooling)
    tokens = [*SPECIAL, *(f"\u2581{word}" for word in WORDS)]
    _write_vocabulary(writer, tokens)
    random = np.random.default_rng(5)
    for name, size in _sizes(len(tokens)).items():
        values = random.standard_normal(size) * 0.3
        if "norm" in name:
            values = np.full(size, float(name.endswith("weight")))
        writer.add_tensor(name, values.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _write_vocabulary(writer: gguf.GGUFWriter, tokens: list[str]) -> None:
    control = [gguf.TokenType.CONTROL] * len(SPECIAL)
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("jina-v2-en")
    writer.add_token_list(tokens)
    writer.add_token_types([*control, *[gguf.TokenType.NORMAL] * len(WORDS)])
    writer.add_token_type_count(2)
    for number, add in enumerate(
        (
            writer.add_pad_token_id,
            writer.add_unk_token_id,
            writer.add_bos_token_id,
            writer.add_sep_token_id,
            writer.add_mask_token_id,
        )
    ):
        add(number)


def _sizes(vocabulary: int) -> dict[str, tuple[int, ...]]:
    sizes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (vocabulary, WIDTH),
        "token_types.weight": (2, WIDTH),
        "position_embd.weight": (WINDOW, WIDTH),
        "token_embd_norm.weight": (WIDTH,),
        "token_embd_norm.bias": (WIDTH,),
    }
    shapes = {
        "attn_q": (WIDTH, WIDTH),
        "attn_k": (WIDTH, WIDTH),
        "attn_v": (WIDTH, WIDTH),
        "attn_output": (WIDTH, WIDTH),
        "ffn_up": (FEED_FORWARD, WIDTH),
        "ffn_down": (WIDTH, FEED_FORWARD),
        "attn_output_norm": (WIDTH,),
        "layer_output_norm": (WIDTH,),
    }
    for layer in range(LAYERS):
        for name, size in shapes.items():
            sizes[f"blk.{layer}.{name}.weight"] = size
            sizes[f"blk.{layer}.{name}.bias"] = size[:1]
    return sizes
