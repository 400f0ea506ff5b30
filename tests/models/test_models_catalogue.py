"""Names, families and the presets that follow from them."""

from __future__ import annotations

from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsubasa_cli.engine.protocol import Sampling
from tsubasa_cli.errors import NotFoundError
from tsubasa_cli.models.catalogue import CATALOGUE, near_misses, resolve
from tsubasa_cli.models.presets import (
    family_of,
    presence_penalty_against_repetition,
    sampling_for,
)


class TestNames:
    @pytest.mark.parametrize(
        ("name", "repo", "selector", "shelf_name"),
        [
            ("qwen3-0.6b", "Qwen/Qwen3-0.6B-GGUF", "Q8_0", "qwen3-0.6b"),
            ("qwen3:4b", "Qwen/Qwen3-4B-GGUF", "Q4_K_M", "qwen3-4b"),
            ("Qwen3-4B:q8_0", "Qwen/Qwen3-4B-GGUF", "Q8_0", "qwen3-4b-q8_0"),
            ("qwen3-32b:Q4_K_M", "Qwen/Qwen3-32B-GGUF", "Q4_K_M", "qwen3-32b"),
            ("Qwen/Qwen3-8B-GGUF", "Qwen/Qwen3-8B-GGUF", "", ""),
            ("owner/re.po:Q5_K_M", "owner/re.po", "Q5_K_M", ""),
            ("owner/repo:sub/file.gguf", "owner/repo", "sub/file.gguf", ""),
            ("https://huggingface.co/o/r/resolve/main/f.gguf", "o/r", "f.gguf", ""),
            ("hf.co/o/r", "o/r", "", ""),
        ],
    )
    def test_what_they_mean(self, name: str, repo: str, selector: str, shelf_name: str) -> None:
        wanted = resolve(name)
        assert (wanted.repo, wanted.selector, wanted.shelf_name) == (repo, selector, shelf_name)

    @pytest.mark.parametrize(
        ("name", "near"),
        [("qwen3-4", "qwen3-4b"), ("qwen3:6b", "qwen3-0.6b"), ("quen3-8b", "qwen3-8b")],
    )
    def test_near_misses(self, name: str, near: str) -> None:
        with pytest.raises(NotFoundError) as caught:
            resolve(name)
        assert near in caught.value.next_step

    @given(st.text(max_size=80))
    def test_any_text_resolves_or_is_not_found(self, name: str) -> None:
        try:
            assert resolve(name).repo
        except NotFoundError as error:
            assert error.next_step

    def test_every_official_size_is_there(self) -> None:
        sizes = [entry.name.removeprefix("qwen3-") for entry in CATALOGUE]
        assert sizes == ["0.6b", "1.7b", "4b", "8b", "14b", "32b"]
        assert all(entry.default_quant in entry.quants for entry in CATALOGUE)
        assert all(entry.good_for for entry in CATALOGUE)

    def test_near_misses_keep_the_spelling(self) -> None:
        assert near_misses("MYMODEL", ["MyModel-v2", "other"]) == ["MyModel-v2"]


class TestFamilies:
    @pytest.mark.parametrize(
        ("architecture", "title", "family"),
        [
            ("qwen3", "Qwen3 4B", "qwen3"),
            ("qwen3moe", "Qwen3 30B A3B", "qwen3"),
            ("qwen3", "Qwen3 4B Instruct 2507", "qwen3-instruct"),
            ("qwen3", "Qwen3 4B Thinking 2507", "qwen3-thinking"),
            ("qwen2", "Qwen2.5 0.5B Instruct", "qwen2.5"),
            ("qwen2", "DeepSeek R1 Distill Qwen 7B", "deepseek-r1"),
            ("llama", "SmolLM2 135M Instruct", "smollm2"),
            ("llama", "Meta Llama 3.1 8B", "llama3"),
            ("llama", "Mistral 7B Instruct v0.3", "mistral"),
            ("gemma3", "Gemma 3 4b It", "gemma3"),
            ("mamba", "", "default"),
        ],
    )
    def test_by_architecture_and_title(self, architecture: str, title: str, family: str) -> None:
        assert family_of(architecture, title) == family

    def test_qwen3_differs_by_thinking(self) -> None:
        thinking, plain = sampling_for("qwen3", True), sampling_for("qwen3", False)
        assert (thinking.temperature, thinking.top_p, thinking.top_k, thinking.min_p) == (
            0.6,
            0.95,
            20,
            0.0,
        )
        assert (plain.temperature, plain.top_p, plain.top_k, plain.min_p) == (0.7, 0.8, 20, 0.0)
        assert presence_penalty_against_repetition("qwen3") == 1.5
        assert presence_penalty_against_repetition("llama3") == 0.0

    def test_the_2507_releases_never_switch(self) -> None:
        assert sampling_for("qwen3-instruct", True) == sampling_for("qwen3", False)
        assert sampling_for("qwen3-thinking", False) == sampling_for("qwen3", True)

    def test_every_preset_is_a_sampling_of_the_engine(self) -> None:
        for family in ("qwen3", "qwen2.5", "smollm2", "llama3", "gemma3", "mistral", "nobody"):
            for thinking in (True, False):
                assert Sampling(**asdict(sampling_for(family, thinking))).temperature > 0
