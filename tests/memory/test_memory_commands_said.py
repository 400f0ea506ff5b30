"""Said is done: "remember that …", "don't save this", "forget that", and what only sounds so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsubasa_cli.memory.commands import DontSave, Forget, Intent, Remember, intent_of

SAID: list[tuple[str, Intent]] = [
    ("Remember that I'm allergic to nuts", Remember("I'm allergic to nuts", 14)),
    ("Please remember: I live in Porto", Remember("I live in Porto", 17)),
    ("Hi! Please remember that I hate cilantro.", Remember("I hate cilantro.", 25)),
    ("Can you remember that I prefer tea?", Remember("I prefer tea", 22)),
    ("remember my sister is called Marta", Remember("my sister is called Marta", 9)),
    ("Note that I moved to Berlin.", Remember("I moved to Berlin.", 10)),
    ("Keep in mind that we have two kids", Remember("we have two kids", 18)),
    ("Don't forget that my birthday is on May 3", Remember("my birthday is on May 3", 18)),
    ("Save this to your memory: I run at 6", Remember("I run at 6", 26)),
    ("Merk dir, dass ich Vegetarier bin", Remember("ich Vegetarier bin", 15)),
    ("Recuerda que soy alérgico", Remember("soy alérgico", 13)),
    ("Souviens-toi que j'habite à Lyon", Remember("j'habite à Lyon", 17)),
    ("Please don't save this: I have a crush on my boss.", DontSave()),
    ("I was fired today. Please don't remember that.", DontSave()),
    ("Don't save that!", DontSave(previous=True)),
    ("Please do not store what I just said", DontSave(previous=True)),
    ("This is off the record, I quit.", DontSave()),
    ("Bitte merk dir das nicht", DontSave()),
    ("No guardes esto", DontSave()),
    ("Ne retiens pas ça", DontSave()),
    ("Forget that.", Forget(None)),
    ("please forget what I just said", Forget(None)),
    ("Forget what I said about my job.", Forget("my job")),
    ("Can you forget everything about Anna", Forget("Anna")),
    ("forget that I live in Porto", Forget("I live in Porto")),
    ("Delete everything you know about my sister", Forget("my sister")),
    ("Vergiss das bitte", Forget(None)),
    ("Bitte vergiss, was ich über Anna gesagt habe", Forget("Anna")),
    ("Olvida eso", Forget(None)),
    ("Olvida lo que dije sobre mi trabajo", Forget("mi trabajo")),
    ("Oublie ça", Forget(None)),
    ("Oublie ce que j'ai dit sur mon frère", Forget("mon frère")),
]

NOT_SAID = [
    "Remember when we talked about Rome?",
    "Do you remember that I like tea?",
    "I don't remember that.",
    "I can't remember what it was called.",
    "I remember that my grandmother baked bread.",
    "Don't forget to write tests.",
    "Remember to use type hints.",
    "Forget it, let's do something else.",
    "I forgot that my keys were in the car.",
    "I'll never forget that day.",
    "Why don't you save that file?",
    "They never save it to disk.",
    "How do I forget an ex?",
    "My sister told me to forget about it.",
    "It's hard to remember that word.",
    "The function should not store this in a global.",
    "Ich vergesse das immer.",
    "Erinnerst du dich an Rom?",
    "No recuerdo eso.",
    "Je ne me souviens pas de ça.",
    "Remember the Alamo!",
    "Delete the last paragraph.",
    "Write a function that removes duplicates.",
]


@pytest.mark.parametrize(("text", "intent"), SAID)
def test_a_request_to_the_memory_is_heard(text: str, intent: Intent) -> None:
    assert intent_of(text) == intent


@pytest.mark.parametrize("text", NOT_SAID)
def test_talk_about_remembering_is_no_request(text: str) -> None:
    assert intent_of(text) is None


@given(st.text(max_size=300))
def test_any_text_is_read_without_trouble(text: str) -> None:
    intent = intent_of(text)
    if isinstance(intent, Remember):
        assert text.replace("’", "'").startswith(intent.text, intent.start)
