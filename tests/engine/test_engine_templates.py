"""Chat templates as text: what is scaffold, what is content, and what stands in for none."""

from __future__ import annotations

import pytest
from engine_helpers import assistant, system, user
from family_models import FAMILIES, GEMMA, MISTRAL
from jinja2 import TemplateError
from tiny_models import QWEN3_TEMPLATE

from tsubasa_cli.engine.templates import (
    CHATML,
    ChatTemplate,
    Content,
    Segment,
    choose_template,
    template_family,
)


def text_of(segments: list[Segment]) -> str:
    return "".join(segment.text for segment in segments)


def test_qwen3_renders_as_its_own_template_does() -> None:
    template = ChatTemplate(QWEN3_TEMPLATE)
    messages = [system("S"), user("A"), assistant("B"), user("C")]
    past = (
        "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nA<|im_end|>\n"
        "<|im_start|>assistant\nB<|im_end|>\n<|im_start|>user\nC<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    assert text_of(template.generation(messages, None)) == past
    assert text_of(template.generation(messages, True)) == past
    assert text_of(template.generation(messages, False)) == past + "<think>\n\n</think>\n\n"
    assert text_of(template.history(messages[:3])) == past[: past.index("C<|im_end|>")]


def test_content_is_never_trimmed_or_interpreted() -> None:
    text = "  {{ 7 * 7 }} <|im_start|> </think> \n"
    for family in FAMILIES:
        template = ChatTemplate(family.template, "<s>", "</s>")
        segments = template.generation([user(text)], None)
        assert [s.text for s in segments if isinstance(s, Content)] == [text]


def test_a_past_reply_with_think_marks_stays_as_it_was() -> None:
    template = ChatTemplate(QWEN3_TEMPLATE)
    segments = template.history([user("A"), assistant("</think>B")])
    assert Content("</think>B") in segments


def test_mistral_moves_the_system_prompt_so_it_is_folded() -> None:
    template = ChatTemplate(MISTRAL, "<s>", "</s>")
    messages = [system("S"), user("A"), assistant("B"), user("C")]
    assert text_of(template.generation(messages, None)) == (
        "<s>[INST] S\n\nA[/INST] B</s>[INST] C[/INST]"
    )


def test_gemma_folds_and_alternates() -> None:
    template = ChatTemplate(GEMMA, "<bos>", "<eos>")
    messages = [system("S"), user("A"), user("B")]
    assert text_of(template.generation(messages, None)) == (
        "<bos><start_of_turn>user\nS\n\nA\n\nB<end_of_turn>\n<start_of_turn>model\n"
    )


def test_a_lone_system_prompt_is_history() -> None:
    for family in FAMILIES:
        template = ChatTemplate(family.template, "<s>", "</s>")
        history = text_of(template.history([system("S")]))
        assert "S" in history
        asked = text_of(template.generation([system("S"), user("A")], None))
        assert asked.startswith(history)
    assert template.history([]) == []


@pytest.mark.parametrize("broken", [None, "", "{% for %}", "{{ raise_exception('no') }}", "x"])
def test_chatml_stands_in_for_a_missing_or_broken_template(broken: str | None) -> None:
    assert choose_template(broken, "", "").source == CHATML


def test_the_sandbox_holds() -> None:
    escape = "{{ messages.__class__.__mro__[-1].__subclasses__() }}"
    assert choose_template(escape + CHATML, "", "").source == CHATML
    with pytest.raises(TemplateError):
        ChatTemplate("{{ messages.append(1) }}" + CHATML)


def test_dates_do_not_move_within_a_load() -> None:
    template = ChatTemplate("{{ strftime_now('%d %B %Y %H:%M:%S.%f') }}" + CHATML)
    assert template.generation([user("A")], None) == template.generation([user("A")], None)


def test_helpers_that_templates_expect() -> None:
    source = (
        "{{ {'a': '<é>'} | tojson }}{% for n in range(9) %}{% if n == 2 %}{% break %}{% endif %}"
        "{{ n }}{% endfor %}{% if tools is none %}T{% endif %}" + CHATML
    )
    rendered = text_of(ChatTemplate(source).generation([user("A")], None))
    assert rendered.startswith('{"a": "<é>"}01T<|im_start|>user')


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_families_are_known_by_their_marks(family: object) -> None:
    name, template = getattr(family, "name", ""), getattr(family, "template", "")
    architecture = "qwen3" if name == "qwen3" else "llama"
    assert template_family(template, architecture) == name


def test_an_unknown_family() -> None:
    assert template_family("### {{ messages }}", "llama") == "other"
