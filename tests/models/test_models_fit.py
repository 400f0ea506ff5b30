"""Memory: what fits, with which window, what is recommended, and what is said when it does not."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsubasa_cli.errors import ModelError
from tsubasa_cli.models.catalogue import CATALOGUE, find
from tsubasa_cli.models.fit import (
    SMALLEST_CONTEXT,
    check_fits,
    choose_context,
    estimate_bytes,
    fits,
    recommendation,
)
from tsubasa_cli.models.machine import Machine, parse_cpuinfo, parse_nvidia, this_machine

GB = 1_000_000_000


@dataclass(frozen=True)
class Weights:
    name: str = "m"
    size_bytes: int = 2 * GB
    kv_bytes_per_token: int = 100_000
    n_ctx_train: int = 32_768


class TestCheck:
    def test_too_big_is_refused_with_the_numbers(self) -> None:
        model = Weights("giant", 100 * GB)
        with pytest.raises(ModelError) as caught:
            check_fits(model, 4096, Machine(16 * GB, 9 * GB))
        error = caught.value
        assert "giant is too big" in error.what
        assert "needs 105.7 GB, 9.0 GB are free" in error.what
        assert "Weights 100.0 GB" in error.why
        assert "410 MB" in error.why
        assert "16.0 GB of memory" in error.why
        assert "tsubasa model pull" in error.next_step

    def test_when_the_window_is_the_trouble_a_smaller_one_is_named(self) -> None:
        with pytest.raises(ModelError) as caught:
            check_fits(Weights(), 32_768, Machine(16 * GB, 4 * GB))
        assert "engine.context_tokens to 16,128" in caught.value.next_step
        check_fits(Weights(), 16_128, Machine(16 * GB, 4 * GB))

    def test_when_other_programs_are_the_trouble_it_says_so(self) -> None:
        with pytest.raises(ModelError, match="Close other programs"):
            check_fits(Weights(), 2048, Machine(16 * GB, 1 * GB))

    def test_video_memory_and_what_will_be_released_count(self) -> None:
        model = Weights(size_bytes=20 * GB)
        check_fits(model, 2048, Machine(16 * GB, 8 * GB, vram_total=24 * GB, vram_free=20 * GB))
        check_fits(Weights(), 2048, Machine(16 * GB, 1 * GB), released=3 * GB)


class TestContext:
    def test_by_default_up_to_16_384(self) -> None:
        assert choose_context(Weights(), 0, Machine(64 * GB, 60 * GB)) == 16_384

    def test_never_more_than_the_model_was_trained_for(self) -> None:
        roomy = Machine(64 * GB, 60 * GB)
        assert choose_context(Weights(n_ctx_train=8192), 0, roomy) == 8192
        assert choose_context(Weights(n_ctx_train=8192), 50_000, roomy) == 8192
        assert choose_context(Weights(n_ctx_train=0), 0, roomy) == 4096
        assert choose_context(Weights(n_ctx_train=100), 0, roomy) == 100

    def test_little_memory_gives_a_smaller_window_but_not_below_2_048(self) -> None:
        assert choose_context(Weights(), 0, Machine(8 * GB, 4 * GB)) == 4_096
        assert choose_context(Weights(), 0, Machine(8 * GB, 1 * GB)) == SMALLEST_CONTEXT

    def test_a_wish_is_granted_in_steps(self) -> None:
        assert choose_context(Weights(), 5000, Machine(8 * GB, 1 * GB)) == 4864

    @given(
        st.integers(0, 200_000),
        st.integers(0, 200_000),
        st.integers(0, 10**12),
        st.integers(0, 10**6),
    )
    def test_it_is_always_a_usable_number(
        self, trained: int, wanted: int, free: int, per_token: int
    ) -> None:
        model = Weights(n_ctx_train=trained, kv_bytes_per_token=per_token)
        window = choose_context(model, wanted, Machine(free, free))
        assert window > 0
        assert window % 256 == 0 or window < 256
        assert not trained or window <= trained


class TestRecommendation:
    @pytest.mark.parametrize(
        ("machine", "expected"),
        [
            (Machine(1 * GB, 1 * GB), None),
            (Machine(4 * GB, 3 * GB, physical_cores=1), "qwen3-0.6b"),
            (Machine(8 * GB, 6 * GB, physical_cores=4), "qwen3-4b"),
            (Machine(25 * GB, 24 * GB, physical_cores=2), "qwen3-1.7b"),
            (Machine(32 * GB, 30 * GB, physical_cores=8), "qwen3-8b"),
            (Machine(16 * GB, 12 * GB, unified_memory=True), "qwen3-14b"),
            (Machine(16 * GB, 9 * GB, 12 * GB, 11 * GB, physical_cores=4), "qwen3-8b"),
            (Machine(32 * GB, 9 * GB, 32 * GB, 24 * GB, physical_cores=8), "qwen3-32b"),
        ],
    )
    def test_the_largest_that_runs_well(self, machine: Machine, expected: str | None) -> None:
        best = recommendation(machine)
        assert (best.name if best else None) == expected

    def test_whatever_is_recommended_fits(self) -> None:
        for gigabytes in range(1, 200, 7):
            machine = Machine(gigabytes * GB, gigabytes * GB, physical_cores=64)
            best = recommendation(machine)
            assert best is None or fits(best, machine)

    def test_needs_grow_along_the_catalogue(self) -> None:
        needs = [estimate_bytes(entry, 4096) for entry in CATALOGUE]
        assert needs == sorted(needs)

    def test_qwen3_costs_what_its_layers_say(self) -> None:
        entry = find("qwen3-8b")
        assert entry is not None
        # 36 layers × 8 KV heads × 2 × 128 × 2 bytes
        assert entry.kv_bytes_per_token == 147_456


class TestMachine:
    def test_this_one_has_memory_and_a_processor(self) -> None:
        machine = this_machine()
        assert 0 < machine.ram_available <= machine.ram_total
        assert machine.physical_cores >= 1

    def test_nvidia_smi_is_summed(self) -> None:
        assert parse_nvidia("24564, 23000\n24564, 100\n") == (49128 << 20, 23100 << 20)
        assert parse_nvidia("No devices were found\n[N/A], [N/A]\n") == (0, 0)

    def test_cpuinfo_of_both_worlds(self) -> None:
        intel = (
            "processor: 0\nmodel name\t: Some CPU\nflags\t\t: fpu AVX2 amx_tile\n\nprocessor: 1\n"
        )
        assert parse_cpuinfo(intel) == ("Some CPU", frozenset({"fpu", "avx2", "amx_tile"}))
        assert parse_cpuinfo("Features : asimd dotprod")[1] == {"asimd", "dotprod"}

    def test_a_gpu_driver_that_fails_or_hangs_counts_as_none(
        self, tmp_path: object, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from pathlib import Path

        from tsubasa_cli.models import machine

        folder = Path(str(tmp_path))
        program = folder / "nvidia-smi"
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        for script, expected in (
            ("exit 9", (0, 0)),
            ("exec sleep 30", (0, 0)),
            ("echo 1024, 512", (1 << 30, 1 << 29)),
        ):
            program.write_text(f"#!/bin/sh\n{script}\n")
            program.chmod(0o755)
            monkeypatch.setattr(machine, "PROBE_SECONDS", 0.2 if "sleep" in script else 10.0)
            assert machine._nvidia_memory() == expected
