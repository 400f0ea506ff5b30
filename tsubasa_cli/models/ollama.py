"""A Modelfile: how Ollama is to run a GGUF as it runs here.

Ollama does not run the chat template that a GGUF carries (jinja); it has its own (Go). For layouts
that are known, the file's template is rendered and compared with what the Go one would print, and
only then is it translated. Any other file is left to Ollama, which recognises some templates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tsubasa_cli.models.presets import SamplingPreset

NO_THOUGHTS = "<think>\n\n</think>\n\n"
"""What hybrid models such as Qwen-3 find before their reply when they are not to think."""
THOUGHT = "<think>\n"
"""What those that always think find there."""

_PROBE = (("system", "Be §1"), ("user", "Ask §2"), ("assistant", "Say §3"), ("user", "Ask §4"))
_BOS = "§0"
_HUSH = "{{ if and $.IsThinkSet (not $.Think) }}" + NO_THOUGHTS + "{{ end }}"
_JOINT = "\n\n"


@dataclass(frozen=True, slots=True)
class Layout:
    """How a family writes turns: ``{role}`` and what stands around the words of a turn.

    ``begin`` and ``end`` enclose each turn. A family without a system turn (``folds_system``) has
    the system prompt in front of the first user's words.
    """

    name: str
    begin: str
    end: str
    stop: str
    assistant: str = "assistant"
    folds_system: bool = False

    def turn(self, role: str, words: str) -> str:
        """One turn, as it is written."""
        return f"{self.opening(role)}{words}{self.end}"

    def opening(self, role: str) -> str:
        """What stands before the words of a turn."""
        return self.begin.replace("{role}", self.assistant if role == "assistant" else role)

    def conversation(self, turns: Sequence[tuple[str, str]]) -> str:
        """A whole conversation up to where the next reply begins."""
        written = folded(turns) if self.folds_system else turns
        return "".join(self.turn(*turn) for turn in written) + self.opening("assistant")


LAYOUTS = (
    Layout("ChatML", "<|im_start|>{role}\n", "<|im_end|>\n", "<|im_end|>"),
    Layout("Llama 3", "<|start_header_id|>{role}<|end_header_id|>\n\n", "<|eot_id|>", "<|eot_id|>"),
    Layout("Phi 3", "<|{role}|>\n", "<|end|>\n", "<|end|>"),
    Layout(
        "Gemma",
        "<start_of_turn>{role}\n",
        "<end_of_turn>\n",
        "<end_of_turn>",
        assistant="model",
        folds_system=True,
    ),
)


@dataclass(frozen=True, slots=True)
class Translation:
    """A file's template in Go. ``stop`` ends a reply; ``thinks``: the model thinks beforehand, or
    can be told to; ``default_system`` is what the jinja puts where no system prompt is given."""

    layout: str
    template: str
    stop: str
    thinks: bool
    default_system: str = ""


def translated(template: str) -> Translation | None:
    """The jinja ``template`` of a GGUF as Ollama's; None when its layout is not known. The BOS
    token is left out: Ollama, like llama.cpp, puts it in front by itself."""
    plain = _rendered(template, _PROBE, thinking=True)
    silent = _rendered(template, _PROBE, thinking=False)
    for layout in LAYOUTS:
        opening = _opening(layout.conversation(_PROBE), plain, silent)
        if opening is not None:
            bare = _rendered(template, _PROBE[1:], thinking=True) or ""
            system, go = _system_in(bare, layout), _go(layout, opening)
            return Translation(layout.name, go, layout.stop, bool(opening), system)
    return None


def modelfile(
    model: str,
    translation: Translation | None,
    sampling: SamplingPreset,
    n_ctx: int,
    system: str,
    adapter: str = "",
) -> str:
    """The text of a Modelfile. ``model`` and ``adapter`` are names of files beside it, ``n_ctx`` is
    in tokens."""
    lines = ["# Run it with: ollama create NAME -f Modelfile", f"FROM ./{model}"]
    if adapter:
        lines.append(f"ADAPTER ./{adapter}")
    lines += ["", *_template_lines(translation), "", *_parameters(sampling, n_ctx)]
    if translation:
        lines.append(f'PARAMETER stop "{translation.stop}"')
    system = system or (translation.default_system if translation else "")
    if system:
        lines += ["", f"SYSTEM {_in_quotes(system)}"]
    return "\n".join(lines) + "\n"


def folded(turns: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """``turns`` with the system prompt in front of the first user's words."""
    if not turns or turns[0][0] != "system":
        return list(turns)
    (_, system), (role, words), *rest = turns
    return [(role, f"{system}{_JOINT}{words}"), *rest]


def _template_lines(translation: Translation | None) -> list[str]:
    if translation is None:
        return [
            "# The chat template of this model is not one that Tsubasa can translate. Ollama uses",
            "# its own for templates that it recognises. If replies look wrong, write a TEMPLATE.",
        ]
    told = f"# The GGUF's own template ({translation.layout}), in Ollama's language."
    if translation.thinks:
        told += " Needs Ollama 0.9 or later."
    return [told, f'TEMPLATE """{translation.template}"""']


def _parameters(sampling: SamplingPreset, n_ctx: int) -> list[str]:
    """All of them, for Ollama's own defaults differ (its repeat penalty is 1.1)."""
    return [
        f"PARAMETER temperature {sampling.temperature:g}",
        f"PARAMETER top_p {sampling.top_p:g}",
        f"PARAMETER top_k {sampling.top_k}",
        f"PARAMETER min_p {sampling.min_p:g}",
        f"PARAMETER presence_penalty {sampling.presence_penalty:g}",
        f"PARAMETER repeat_penalty {sampling.repeat_penalty:g}",
        f"PARAMETER num_ctx {n_ctx}",
    ]


def _in_quotes(text: str) -> str:
    """``text`` in the only quotes of a Modelfile that may hold line breaks."""
    return '"""' + text.replace('"""', "'''") + '"""'


def _opening(expected: str, plain: str | None, silent: str | None) -> str | None:
    """What, in Go, stands before a reply beyond the ``expected``, by what the jinja prints where
    the model may think (``plain``) and where not; None when it is another template."""
    if plain == silent == expected:
        return ""
    if plain == expected and silent == expected + NO_THOUGHTS:
        return _HUSH
    return THOUGHT if plain == silent == expected + THOUGHT else None


def _go(layout: Layout, opening: str) -> str:
    """The template in Go, which prints what ``Layout.conversation`` does, and ``opening`` in front
    of the next reply; a conversation that ends in an assistant's turn is gone on with."""
    thoughts = "{{ if and $last .Thinking }}<think>\n{{ .Thinking }}\n</think>\n\n{{ end }}"
    reply = layout.opening("assistant")
    user = layout.turn("user", "{{ .Content }}")
    if layout.folds_system:
        system = "{{ if and $.System (eq $i $first) }}{{ $.System }}" + _JOINT + "{{ end }}"
        user = layout.turn("user", system + "{{ .Content }}")
    parts = [
        "{{ $first := 0 }}{{ range $i, $m := .Messages }}",
        '{{ if and (eq $i 0) (eq .Role "system") }}{{ $first = 1 }}{{ end }}',
        "{{ $last := eq (len (slice $.Messages $i)) 1 }}",
        "" if layout.folds_system else _go_case("system", layout.turn("system", "{{ .Content }}")),
        _go_case("user", user),
        _go_case(
            "assistant",
            f"{reply}{thoughts if opening else ''}{{{{ .Content }}}}"
            f"{{{{ if not $last }}}}{layout.end}{{{{ end }}}}",
        ),
        '{{ if and $last (ne .Role "assistant") }}' + reply + opening + "{{ end }}",
        "{{ end }}",
    ]
    return "".join(parts)


def _go_case(role: str, text: str) -> str:
    return f'{{{{ if eq .Role "{role}" }}}}{text}{{{{ end }}}}'


def _system_in(text: str, layout: Layout) -> str:
    """The system prompt that ``text`` begins with; empty when there is none."""
    opening = layout.opening("system")
    if layout.folds_system or not text.startswith(opening):
        return ""
    return text.removeprefix(opening).partition(layout.end)[0]


def _rendered(template: str, turns: Sequence[tuple[str, str]], thinking: bool) -> str | None:
    """What the jinja prints for ``turns``, without the BOS token; None when it cannot."""
    from jinja2 import TemplateError
    from jinja2.ext import loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
    )
    environment.globals["raise_exception"] = _refuse
    for attempt in (turns, folded(turns)):
        messages = [{"role": role, "content": words} for role, words in attempt]
        try:
            text = environment.from_string(template).render(
                messages=messages,
                add_generation_prompt=True,
                enable_thinking=thinking,
                bos_token=_BOS,
                eos_token="",
                tools=None,
            )
        except (TemplateError, TypeError, ValueError, ArithmeticError):
            continue
        return text.removeprefix(_BOS)
    return None


def _refuse(message: str) -> None:
    from jinja2 import TemplateError

    raise TemplateError(message)
