"""The header reader: right about real files, and clear about everything else."""

from __future__ import annotations

import io
import math
import struct
from pathlib import Path

import gguf
import pytest
from gguf_bytes import (
    ARRAY,
    F32,
    I32,
    STRING,
    U64,
    Gguf,
    Number,
    Numbers,
    Strings,
    Tensor,
    qwen3_metadata,
    text,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from tsubasa_cli.errors import InputError, ModelError
from tsubasa_cli.models import gguf_types
from tsubasa_cli.models.gguf_facts import (
    facts_of,
    kv_bytes_per_token,
    quantization,
    require_chat_model,
    require_known,
)
from tsubasa_cli.models.gguf_header import (
    WINDOW_BYTES,
    ArrayFact,
    GgufHeader,
    parse_header,
    read_header,
)


class CountingFile(io.BytesIO):
    """Counts the bytes that are really read."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.bytes_read = 0

    def read(self, size: int | None = -1) -> bytes:
        chunk = super().read(size)
        self.bytes_read += len(chunk)
        return chunk


def parse(content: bytes, name: str = "model.gguf") -> GgufHeader:
    return parse_header(io.BytesIO(content), len(content), name)


def refusal(content: bytes, name: str = "model.gguf") -> ModelError:
    with pytest.raises(ModelError) as caught:
        parse(content, name)
    assert caught.value.what
    assert caught.value.next_step
    return caught.value


class TestSound:
    def test_the_real_smollm2_has_the_facts_that_gguf_py_reads(self, smollm2: Path) -> None:
        header = read_header(smollm2)
        facts = facts_of(header)
        reader = gguf.GGUFReader(smollm2)
        assert {t.name for t in header.tensors} == {t.name for t in reader.tensors}
        for ours, theirs in zip(header.tensors, reader.tensors, strict=True):
            assert ours.n_bytes == theirs.n_bytes
            assert header.data_start + ours.offset == theirs.data_offset
        assert facts.architecture == "llama"
        assert facts.quantization == "Q4_1"
        assert facts.n_ctx_train == 8192
        assert facts.n_layers == 30
        assert facts.n_params == sum(math.prod(map(int, t.shape)) for t in reader.tensors)
        assert facts.n_vocab == 49_152
        assert facts.chat_template
        # 30 layers × 3 KV heads × (64 + 64) × 2 bytes
        assert facts.kv_bytes_per_token == kv_bytes_per_token(header) == 23_040

    @pytest.mark.parametrize("version", [2, 3])
    def test_a_qwen3_header_gives_its_facts(self, version: int) -> None:
        facts = facts_of(parse(bytes(Gguf(version=version))))
        assert facts.architecture == "qwen3"
        assert facts.title == "Tiny Qwen3"
        assert facts.n_ctx_train == 4096
        assert facts.n_params == 192
        assert facts.kv_bytes_per_token == 2 * 2 * (128 + 128) * 2
        assert (facts.key_length, facts.value_length, facts.n_kv_heads) == (128, 128, 2)

    def test_every_kind_of_value_is_read(self) -> None:
        metadata = qwen3_metadata() | {
            "x.flag": True,
            "x.real": 0.5,
            "x.big": Number(U64, 2**63),
            "x.heads": Numbers(I32, [8, 8, 4]),
            "x.long": Numbers(F32, [0.0] * 5000),
        }
        found = parse(bytes(Gguf(metadata))).metadata
        assert found["x.flag"] is True
        assert found["x.real"] == 0.5
        assert found["x.big"] == 2**63
        assert found["x.heads"] == ArrayFact(I32, 3, (8, 8, 4))
        assert found["x.long"] == ArrayFact(F32, 5000)

    def test_kv_heads_per_layer_are_added_up(self) -> None:
        metadata = qwen3_metadata()
        metadata["qwen3.attention.head_count_kv"] = Numbers(I32, [4, 2])
        assert facts_of(parse(bytes(Gguf(metadata)))).kv_bytes_per_token == 6 * 256 * 2

    def test_without_a_file_type_the_commonest_tensor_type_counts(self) -> None:
        metadata = qwen3_metadata()
        del metadata["general.file_type"]
        tensors = [Tensor("a", (256,)), Tensor("b", (256, 8), 12, 8 * 144)]
        assert quantization(parse(bytes(Gguf(metadata, tensors)))) == "Q4_K"

    def test_block_sizes_are_ggmls(self) -> None:
        theirs = {
            kind.value: (kind.name, *gguf.GGML_QUANT_SIZES[kind])
            for kind in gguf.GGMLQuantizationType
            if kind.value in gguf_types.TENSOR_TYPES
        }
        assert {key: tuple(value) for key, value in gguf_types.TENSOR_TYPES.items()} == theirs

    def test_file_types_are_llama_cpps(self) -> None:
        for number, label in gguf_types.FILE_TYPES.items():
            name = gguf.LlamaFileType(number).name
            assert name.removeprefix("ALL_").removeprefix("MOSTLY_").removesuffix("_MOE") == label

    def test_a_large_vocabulary_is_walked_once_and_not_kept(self) -> None:
        """Qwen's 151,936 tokens and 151,387 merges, and not one byte of the weights."""
        metadata = qwen3_metadata()
        metadata["tokenizer.ggml.tokens"] = Strings([f"tok{n:06}" for n in range(151_936)])
        metadata["tokenizer.ggml.merges"] = Strings([f"a{n} b{n}" for n in range(151_387)])
        tensors = [Tensor("w", (1 << 20, 4))]
        content = bytes(Gguf(metadata, tensors))
        file = CountingFile(content)
        header = parse_header(file, len(content), "q.gguf")
        assert header.metadata["tokenizer.ggml.tokens"] == ArrayFact(STRING, 151_936)
        assert file.bytes_read <= header.data_start + WINDOW_BYTES
        assert facts_of(header).n_vocab == 151_936

    def test_long_number_lists_are_skipped_without_reading_them(self) -> None:
        metadata = {"x.scores": Numbers(F32, [0.0] * 2_000_000)} | qwen3_metadata()
        content = bytes(Gguf(metadata))
        file = CountingFile(content)
        parse_header(file, len(content), "q.gguf")
        assert len(content) > 8_000_000
        assert file.bytes_read <= 2 * WINDOW_BYTES


class TestNotAGguf:
    @pytest.mark.parametrize(
        ("content", "word"),
        [
            (b"", "empty"),
            (b"PK\x03\x04" + bytes(60), "zip"),
            (b"\x80\x02}q\x00", "PyTorch"),
            (b"\x1f\x8b\x08\x00rest", "gzip"),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\n", "Git-LFS pointer"),
            (b"<!DOCTYPE html><html><body>Sign in</body></html>", "web page"),
            (b"\n <HTML>", "web page"),
            (struct.pack("<Q", 20) + b'{"__metadata__":{}}' + bytes(30), "safetensors"),
            (b'{"error": "not found"}', "JSON"),
            (b"tjgg\x03\0\0\0", "2023"),
            (bytes(4096), "zeros"),
            (b"\x7fELF\x02\x01", "7f 45 4c 46"),
            (b"GG", "47 47"),
        ],
    )
    def test_it_says_what_it_looks_like(self, content: bytes, word: str) -> None:
        error = refusal(content)
        assert "not a GGUF" in error.what
        assert word in error.why

    def test_a_folder_and_a_missing_file_are_input_errors(self, tmp_path: Path) -> None:
        for path in (tmp_path, tmp_path / "none.gguf"):
            with pytest.raises(InputError):
                read_header(path)

    @pytest.mark.parametrize(
        ("version", "word"), [(1, "version 1"), (4, "version 4"), (0x03000000, "big-endian")]
    )
    def test_other_versions_are_named(self, version: int, word: str) -> None:
        assert word in refusal(bytes(Gguf(version=version))).why


class TestTruncated:
    @pytest.mark.parametrize("keep", [20, 1000, 1_000_000])
    def test_the_real_file_cut_inside_its_header(self, smollm2: Path, keep: int) -> None:
        with smollm2.open("rb") as file:
            error = refusal(file.read(keep))
        assert "ends inside its own header" in error.what
        assert f"{keep:,} bytes in all" in error.why

    def test_the_real_file_cut_inside_its_weights(self, smollm2: Path, tmp_path: Path) -> None:
        cut = tmp_path / "cut.gguf"
        with smollm2.open("rb") as file:
            cut.write_bytes(file.read(50_000_000))
        with pytest.raises(ModelError) as caught:
            read_header(cut)
        missing = smollm2.stat().st_size - 50_000_000
        assert f"{missing:,} bytes are missing" in caught.value.what
        assert "98,362,432" in caught.value.why

    def test_one_missing_byte_is_noticed(self) -> None:
        content = bytes(Gguf())
        assert "1 bytes are missing" in refusal(content[:-1]).what


class TestHostile:
    def test_counts_beyond_reason_are_refused(self) -> None:
        for gguf_file in (Gguf(n_entries=2**63), Gguf(n_tensors=2**63), Gguf(n_entries=70_000)):
            refusal(bytes(gguf_file))

    def test_a_text_longer_than_the_file(self) -> None:
        entry = text("x.a") + struct.pack("<IQ", STRING, 2**64 - 1)
        refusal(bytes(Gguf(extra_entries=entry, extra_count=1)))

    @pytest.mark.parametrize("element", [STRING, I32])
    def test_a_list_longer_than_the_file(self, element: int) -> None:
        entry = text("x.a") + struct.pack("<IIQ", ARRAY, element, 2**60)
        refusal(bytes(Gguf(extra_entries=entry, extra_count=1)))

    def test_a_long_list_of_empty_texts_does_not_hang(self, tmp_path: Path) -> None:
        """A sparse file of zeros: every eight bytes are another empty text."""
        count = 100_000_000
        path = tmp_path / "sparse.gguf"
        entry = text("x.a") + struct.pack("<IIQ", ARRAY, STRING, count)
        path.write_bytes(Gguf({}, [], extra_entries=entry, extra_count=1).header())
        with path.open("r+b") as file:
            file.truncate(count * 9)
        with pytest.raises(ModelError, match="list in its header"):
            read_header(path)

    def test_lists_of_lists_and_unknown_types(self) -> None:
        nested = text("x.a") + struct.pack("<IIQ", ARRAY, ARRAY, 1)
        assert "unknown type 9" in refusal(bytes(Gguf(extra_entries=nested, extra_count=1))).why
        odd = text("x.a") + struct.pack("<I", 77)
        assert "unknown type 77" in refusal(bytes(Gguf(extra_entries=odd, extra_count=1))).why

    def test_the_same_entry_or_tensor_twice(self) -> None:
        twice = text("general.name") + struct.pack("<I", STRING) + text("again")
        assert "twice" in refusal(bytes(Gguf(extra_entries=twice, extra_count=1))).why
        same = [Tensor("w", (8,)), Tensor("w", (8,))]
        assert "same name" in refusal(bytes(Gguf(tensors=same))).why

    @pytest.mark.parametrize("alignment", [0, 3, "text"])
    def test_an_impossible_alignment(self, alignment: object) -> None:
        metadata = qwen3_metadata() | {"general.alignment": alignment}
        assert "alignment" in refusal(bytes(Gguf(metadata))).why

    def test_tensors_that_overlap_or_lie_outside(self) -> None:
        first = Tensor("a", (64,))
        for offset in (0, 32, 2**62):
            refusal(bytes(Gguf(tensors=[first, Tensor("b", (64,), offset=offset)])))

    def test_dimensions_whose_product_overflows(self) -> None:
        huge = Tensor("a", (2**62, 2**62, 2**62, 2**62), n_bytes=32)
        assert "truncated" in refusal(bytes(Gguf(tensors=[huge]))).what

    def test_rows_that_are_no_whole_blocks(self) -> None:
        assert "needs 256s" in refusal(bytes(Gguf(tensors=[Tensor("a", (100,), 12, 144)]))).why

    @given(cut=st.integers(0, 900))
    def test_any_truncation_is_a_model_error(self, cut: int) -> None:
        content = bytes(Gguf())
        if cut < len(content):
            refusal(content[:cut])

    @settings(max_examples=400, deadline=None)
    @given(
        edits=st.lists(
            st.tuples(st.integers(0, 1499), st.binary(min_size=1, max_size=9)), min_size=1
        )
    )
    def test_mutations_raise_nothing_but_model_errors(self, edits: list[tuple[int, bytes]]) -> None:
        content = bytearray(bytes(Gguf()))
        for at, patch in edits:
            at %= len(content)
            content[at : at + len(patch)] = patch
        self._survives(bytes(content))

    @settings(max_examples=150, deadline=None)
    @given(st.binary(max_size=300))
    def test_random_bytes_behind_the_magic(self, tail: bytes) -> None:
        self._survives(b"GGUF" + struct.pack("<I", 3) + tail)

    @staticmethod
    def _survives(content: bytes) -> None:
        try:
            header = parse(content)
            facts_of(header)
            require_chat_model(header, "m.gguf")
            require_known(header, "m.gguf")
        except ModelError as error:
            assert str(error)

    def test_texts_that_would_steer_the_terminal_are_made_harmless(self) -> None:
        metadata = qwen3_metadata() | {"general.name": "\x1b[2Jx\n" + "y" * 5000}
        title = facts_of(parse(bytes(Gguf(metadata)))).title
        assert title.isprintable()
        assert len(title) <= 120


class TestUnsuitable:
    def check(self, change: dict[str, object], name: str = "m.gguf", **gguf_: object) -> ModelError:
        header = parse(bytes(Gguf(qwen3_metadata() | change, **gguf_)))  # type: ignore[arg-type]
        with pytest.raises(ModelError) as caught:
            require_chat_model(header, name)
            require_known(header, name)
        assert caught.value.next_step
        return caught.value

    def test_unknown_architecture(self) -> None:
        error = self.check({"general.architecture": "xyz"})
        assert "unknown architecture 'xyz'" in error.what
        assert "--force" in error.next_step

    def test_adapters_and_image_encoders(self) -> None:
        assert "LoRA adapter" in self.check({"general.type": "adapter"}).why
        assert "mmproj" in self.check({"general.type": "mmproj"}).why
        assert "image encoder" in self.check({"general.architecture": "clip"}).why

    def test_embedding_models(self) -> None:
        assert "embedding model" in self.check({"general.architecture": "nomic-bert"}).why

    def test_parts_of_a_split_model(self) -> None:
        by_name = self.check({}, "Big-Q4_K_M-00001-of-00003.gguf")
        assert "1 of 3" in by_name.what
        assert "All parts are needed" in by_name.why
        assert "split model" in self.check({"split.count": Number(2, 3)}).what

    def test_no_architecture_no_weights_no_tokenizer(self) -> None:
        assert "what kind" in self.check({"general.architecture": ""}).what
        assert "no weights" in self.check({}, tensors=[]).what
        assert "no tokenizer" in self.check({"tokenizer.ggml.model": "none"}).what

    def test_tensor_types_from_the_future(self) -> None:
        error = self.check({}, tensors=[Tensor("a", (64,), 199, 256)])
        assert "ggml type 199" in error.what

    def test_known_ones_pass(self) -> None:
        for architecture in ("llama", "qwen2", "qwen3", "qwen3moe", "gemma3", "phi3", "mistral3"):
            header = parse(bytes(Gguf(qwen3_metadata() | {"general.architecture": architecture})))
            require_chat_model(header, "m.gguf")
            require_known(header, "m.gguf")
