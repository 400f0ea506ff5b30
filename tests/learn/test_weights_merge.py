"""GGUF to GGUF: what must not change does not, what was learned is still there."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from lora_helpers import CPU, adapted, night
from plain_llama import plain_logits
from test_weights_adapter import NEAR, TOKENS, apart, torch_logits
from tiny_families import FAMILIES, Tiny, random_weights, write_model

from tsubasa_cli.errors import ModelError
from tsubasa_cli.learn.gate.verdict import change_survived
from tsubasa_cli.learn.recipe import Recipe
from tsubasa_cli.learn.weights import tensor_file
from tsubasa_cli.learn.weights.adapter import read_adapter, write_adapter
from tsubasa_cli.learn.weights.deltas import Delta, deltas_of
from tsubasa_cli.learn.weights.load import load_model
from tsubasa_cli.learn.weights.master import open_master
from tsubasa_cli.learn.weights.merge import merge
from tsubasa_cli.learn.weights.projection import Projection, project
from tsubasa_cli.learn.weights.routes import EightBits, Ordinary, Route, StochasticCodes
from tsubasa_cli.learn.weights.tensor_file import TensorFile

QWEN3 = FAMILIES[2]
BLOCK_TYPES = ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K")
FOUR_BITS = ("Q4_0", "Q4_1", "Q4_K")
MIXED = {
    "token_embd.weight": "Q6_K",
    "attn_v.weight": "Q6_K",
    "ffn_down.weight": "Q5_0",
    "": "Q4_K",
}
TYPICAL, STRONG = 0.003, 0.01
"""‖ΔW‖/‖W‖ of an ordinary night, and of the most that one does."""


def model_of(folder: Path, types: object = "F32", shape: Tiny = QWEN3) -> Path:
    return write_model(folder / "base.gguf", shape, random_weights(shape), types)  # type: ignore[arg-type]


def linears(base: Path) -> list[str]:
    with TensorFile(base) as file:
        names = [name for name, tensor in file.tensors.items() if len(tensor.shape) == 2]
    return [name for name in names if name.startswith("blk.")]


def merged(base: Path, deltas: Sequence[Delta], route: Route, name: str = "out.gguf") -> Path:
    merge(base, deltas, base.with_name(name), route, CPU)
    return base.with_name(name)


def kept(base: Path, route: Route, relative: float) -> Projection:
    deltas = night(base, linears(base), relative)
    return project(base, merged(base, deltas, route), deltas, CPU)


class TestWhatMustNotChange:
    @pytest.mark.parametrize("route", [StochasticCodes(1), EightBits()], ids=["codes", "eight"])
    def test_untouched_tensors_and_metadata_are_copied_byte_for_byte(
        self, tmp_path: Path, route: Route
    ) -> None:
        base = model_of(tmp_path, MIXED)
        touched = ["blk.0.attn_q.weight", "blk.1.ffn_down.weight"]
        out = merged(base, night(base, touched), route)
        with TensorFile(base) as before, TensorFile(out) as after:
            start = before.header.tensors_start
            assert after.header.tensors_start == start
            assert out.read_bytes()[:start] == base.read_bytes()[:start]
            assert list(before.tensors) == list(after.tensors)
            for name, tensor in before.tensors.items():
                raw = before.raw_rows(tensor, 0, tensor_file.n_rows(tensor))
                there = after.tensors[name]
                copied = after.raw_rows(there, 0, tensor_file.n_rows(there))
                assert (raw.shape == copied.shape and torch.equal(raw, copied)) == (
                    name not in touched
                )

    def test_codes_change_nothing_but_the_weights(self, tmp_path: Path) -> None:
        base = model_of(tmp_path, MIXED)
        out = merged(base, night(base, ["blk.0.attn_k.weight"]), StochasticCodes())
        before, after = (np.frombuffer(path.read_bytes(), np.uint8) for path in (base, out))
        assert len(before) == len(after)
        with TensorFile(base) as file:
            tensor = file.tensors["blk.0.attn_k.weight"]
            first = file.header.data_start + tensor.offset
        changed = np.nonzero(before != after)[0]
        assert first <= changed.min() and changed.max() < first + (tensor.n_bytes or 0)

    @pytest.mark.parametrize("kind", [*BLOCK_TYPES, "BF16"])
    def test_no_change_is_no_change(self, tmp_path: Path, kind: str) -> None:
        base = model_of(tmp_path, kind)
        nothing = [delta.scaled(0) for delta in night(base, linears(base))]
        assert merged(base, nothing, StochasticCodes(5)).read_bytes() == base.read_bytes()

    def test_a_seed_is_one_file_in_chunks_of_any_size(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        base = model_of(tmp_path, MIXED)
        deltas = night(base, linears(base))
        first = merged(base, deltas, StochasticCodes(1), "first.gguf").read_bytes()
        other = merged(base, deltas, StochasticCodes(2), "other.gguf").read_bytes()
        monkeypatch.setitem(tensor_file.CHUNK_VALUES, "cpu", 5000)
        assert merged(base, deltas, StochasticCodes(1), "again.gguf").read_bytes() == first
        assert other != first


def survives(projection: Projection) -> bool:
    """Whether the gate lets a file pass in which this much of the change is left."""
    return change_survived(min(projection.by_type().values()), Recipe()).passed


class TestWhatWasLearnedIsThere:
    @pytest.mark.parametrize("relative", [TYPICAL, STRONG])
    @pytest.mark.parametrize("kind", [*BLOCK_TYPES, "F16", "BF16"])
    def test_after_stochastic_codes(self, tmp_path: Path, kind: str, relative: float) -> None:
        projection = kept(model_of(tmp_path, kind), StochasticCodes(), relative)
        assert projection.by_type().keys() == {kind}
        assert projection.overall == pytest.approx(1, abs=0.1)
        assert survives(projection)

    @pytest.mark.parametrize("relative", [TYPICAL, STRONG])
    @pytest.mark.parametrize("kind", BLOCK_TYPES)
    def test_after_eight_bits(self, tmp_path: Path, kind: str, relative: float) -> None:
        projection = kept(model_of(tmp_path, kind), EightBits(), relative)
        assert projection.by_type().keys() == {"Q8_0"}
        assert projection.overall == pytest.approx(1, abs=0.05)

    @pytest.mark.parametrize("kind", BLOCK_TYPES)
    def test_after_quantizing_a_master(self, tmp_path: Path, kind: str) -> None:
        weights = random_weights(QWEN3)
        base = write_model(tmp_path / "base.gguf", QWEN3, weights, kind)
        master = write_model(tmp_path / "master.gguf", QWEN3, weights, "BF16")
        with open_master(master, base) as source:
            projection = kept(base, Ordinary(source), STRONG)
        assert projection.by_type().keys() == {kind}
        assert survives(projection)

    @pytest.mark.parametrize("relative", [TYPICAL, STRONG])
    @pytest.mark.parametrize("kind", FOUR_BITS)
    def test_but_not_after_naive_requantization(
        self, tmp_path: Path, kind: str, relative: float
    ) -> None:
        """Why the other roads exist: weights on grid points fall back onto them."""
        base = model_of(tmp_path, kind)
        with TensorFile(base) as itself:
            projection = kept(base, Ordinary(itself), relative)
        assert abs(projection.overall) <= 0.2
        assert not survives(projection)

    def test_in_types_without_a_grid_which_become_eight_bits(self, tmp_path: Path) -> None:
        base = model_of(tmp_path, {"attn_q.weight": "IQ4_NL", "attn_v.weight": "Q3_K", "": "Q2_K"})
        projection = kept(base, StochasticCodes(), TYPICAL)
        assert projection.by_type().keys() == {"Q8_0"}
        assert min(projection.by_type().values()) >= 0.95


class TestThroughLlama:
    @pytest.mark.parametrize("shape", FAMILIES, ids=lambda s: s.architecture)
    def test_a_merged_export_is_the_merged_model(self, tmp_path: Path, shape: Tiny) -> None:
        base = model_of(tmp_path, "F32", shape)
        model = adapted(base)
        out = merged(base, deltas_of(model), StochasticCodes())
        exported = plain_logits(out, TOKENS, tmp_path / "logits.npy")
        assert apart(exported, torch_logits(model.merge_and_unload())) <= NEAR
        write_adapter(base, deltas_of(adapted(base)), tmp_path / "adapter.gguf")
        beside = plain_logits(base, TOKENS, tmp_path / "beside.npy", tmp_path / "adapter.gguf")
        assert apart(exported, beside) <= NEAR

    @pytest.mark.parametrize("route", [StochasticCodes(), EightBits()], ids=["codes", "eight"])
    def test_a_quantized_merge_loads_and_says_what_torch_says_of_it(
        self, tmp_path: Path, route: Route
    ) -> None:
        base = model_of(tmp_path, MIXED)
        out = merged(base, night(base, linears(base), STRONG), route)
        theirs = plain_logits(out, TOKENS, tmp_path / "logits.npy")
        ours = torch_logits(load_model(out, torch.float32, CPU))
        assert np.abs(ours - theirs).mean() < 0.05 * theirs.std()

    def test_a_real_model_keeps_a_real_nights_change(self, smollm2: Path, tmp_path: Path) -> None:
        base = tmp_path / "base.gguf"
        base.symlink_to(smollm2)
        touched = [name for name in linears(base) if name.startswith(("blk.0.", "blk.29."))]
        deltas = night(base, touched, 0.0024)
        out = merged(base, deltas, StochasticCodes())
        assert project(base, out, deltas, CPU).overall > 0.9
        assert out.stat().st_size == smollm2.stat().st_size
        before, after = (
            plain_logits(path, TOKENS[:8], tmp_path / "logits.npy") for path in (base, out)
        )
        assert float((before.argmax(-1) == after.argmax(-1)).mean()) >= 0.75
        assert apart(before, after) > 0


class TestMasters:
    def test_a_folder_of_safetensors_and_a_gguf_give_the_same_file(self, tmp_path: Path) -> None:
        shape = FAMILIES[0]  # llama: its rows are permuted
        weights = random_weights(shape)
        base = write_model(tmp_path / "base.gguf", shape, weights, "Q4_K")
        dense = write_model(tmp_path / "dense.gguf", shape, weights, "F32")
        folder = tmp_path / "folder"
        load_model(dense, torch.float32, CPU).save_pretrained(folder, max_shard_size="1MB")
        assert len(list(folder.glob("*.safetensors"))) > 1
        deltas = night(base, linears(base))
        with open_master(dense, base) as one, open_master(folder, base) as other:
            first = merged(base, deltas, Ordinary(one), "first.gguf")
            assert first.read_bytes() == merged(base, deltas, Ordinary(other)).read_bytes()

    def test_a_folder_is_loaded_as_the_file_is(self, tmp_path: Path) -> None:
        dense = model_of(tmp_path, "F32", FAMILIES[0])
        load_model(dense, torch.float32, CPU).save_pretrained(tmp_path / "folder")
        again = load_model(tmp_path / "folder", torch.float32, CPU)
        again.model.rotary_emb.inv_freq /= torch.linspace(1, 8, 32)  # of which configs know naught
        assert (
            apart(torch_logits(again), torch_logits(load_model(dense, torch.float32, CPU))) < 1e-5
        )

    def test_another_model_is_no_master(self, tmp_path: Path) -> None:
        base = model_of(tmp_path, "Q4_K")
        other = write_model(tmp_path / "o.gguf", FAMILIES[0], random_weights(FAMILIES[0]))
        with pytest.raises(ModelError, match="not the master"), open_master(other, base):
            pass

    def test_a_quantized_model_is_no_master(self, tmp_path: Path) -> None:
        base = model_of(tmp_path, "Q4_K")
        with pytest.raises(ModelError, match="quantized itself"), open_master(base, base):
            pass


class TestTrouble:
    def test_a_full_disk_leaves_the_old_file_and_no_rest(self, tmp_path: Path) -> None:
        base = model_of(tmp_path, "Q4_K")
        write_adapter(base, night(base, linears(base)), tmp_path / "adapter.gguf")
        out = tmp_path / "out.gguf"
        out.write_bytes(b"the model in service")
        limit = base.stat().st_size // 2
        done = subprocess.run(
            [sys.executable, "-c", MERGE_IN_A_CHILD, str(tmp_path)],
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        )
        assert "The disk became full while writing out.gguf" in done.stderr
        assert out.read_bytes() == b"the model in service"
        assert sorted(path.name for path in tmp_path.iterdir()) == [
            "adapter.gguf", "base.gguf", "out.gguf"
        ]  # fmt: skip

    def test_what_a_killed_merge_left_goes_with_the_next(self, tmp_path: Path) -> None:
        base = model_of(tmp_path, "Q4_K")
        write_adapter(base, night(base, linears(base)), tmp_path / "adapter.gguf")
        killed = subprocess.Popen([sys.executable, "-c", KILLED_MERGE, str(tmp_path)])
        assert killed.wait(60) == -signal.SIGKILL
        assert not (tmp_path / "out.gguf").exists()
        assert len(list(tmp_path.glob(".out.gguf.*.part"))) == 1
        out = merged(base, read_adapter(tmp_path / "adapter.gguf"), StochasticCodes())
        assert not list(tmp_path.glob(".*.part"))
        assert out.stat().st_size == base.stat().st_size

    def test_a_diverged_training_is_refused(self, tmp_path: Path) -> None:
        base = model_of(tmp_path, "Q4_K")
        deltas = night(base, ["blk.0.attn_q.weight"])
        deltas[0].b[3, 1] = torch.nan
        with pytest.raises(ModelError, match="no finite numbers"):
            merged(base, deltas, StochasticCodes())
        assert not (tmp_path / "out.gguf").exists()

    def test_progress_ends_at_the_size_of_the_file(self, tmp_path: Path) -> None:
        base = model_of(tmp_path, MIXED)
        told: list[tuple[int, int]] = []
        out = tmp_path / "out.gguf"
        merge(base, night(base, linears(base)), out, EightBits(), CPU, lambda *at: told.append(at))
        done = [count for count, _ in told]
        assert done == sorted(done)
        assert told[-1] == (out.stat().st_size, out.stat().st_size)

    def test_memory_is_a_few_chunks_however_large_the_tensor(self, tmp_path: Path) -> None:
        shape = Tiny(
            "llama", heads=8, head=256, kv_heads=2, width=2048, feed_forward=16384, layers=1
        )
        weights = {"blk.0.ffn_up.weight": np.zeros((16384, 2048), np.float32)}
        base = write_model(tmp_path / "base.gguf", shape, weights, "F16")
        a, b = torch.randn(4, 2048), torch.randn(16384, 4)
        write_adapter(base, [Delta("blk.0.ffn_up.weight", a, b, 0.1)], tmp_path / "adapter.gguf")
        done = subprocess.run(
            [sys.executable, "-c", MERGE_IN_A_CHILD, str(tmp_path)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        tensor_mb = 4 * 16384 * 2048 / 2**20
        assert int(done.stdout) < 0.5 * tensor_mb


KILLED_MERGE = """
import os, signal, sys, torch
from pathlib import Path
from tsubasa_cli.learn.weights.adapter import read_adapter
from tsubasa_cli.learn.weights.merge import merge
from tsubasa_cli.learn.weights.routes import StochasticCodes
folder = Path(sys.argv[1])
def die_halfway(done, total):
    if done > total // 2:
        os.kill(os.getpid(), signal.SIGKILL)
deltas, out = read_adapter(folder / "adapter.gguf"), folder / "out.gguf"
merge(folder / "base.gguf", deltas, out, StochasticCodes(), torch.device("cpu"), die_halfway)
"""

MERGE_IN_A_CHILD = """
import resource, signal, sys, torch
from pathlib import Path
from tsubasa_cli.learn.weights.adapter import read_adapter
from tsubasa_cli.learn.weights.merge import merge
from tsubasa_cli.learn.weights.routes import StochasticCodes
torch.set_num_threads(1)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
folder = Path(sys.argv[1])
deltas = read_adapter(folder / "adapter.gguf")
torch.randn(64, 64) @ torch.randn(64, 64)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
merge(folder / "base.gguf", deltas, folder / "out.gguf", StochasticCodes(), torch.device("cpu"))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
