"""What stands around a statement: whom it is said to, that there is news, a wish with "please"."""

from __future__ import annotations

import pytest
from test_memory_extract import learned

from tsubasa_cli.memory.openings import announces, without_address
from tsubasa_cli.memory.question import only_asks


class TestPolite:
    @pytest.mark.parametrize(
        ("text", "statement"),
        [
            (
                "I am allergic to peanuts, so no more of your cookies, please.",
                "allergic to peanuts",
            ),
            ("I'm vegan, so only plant-based recipes, please.", "vegan"),
            ("I get up at five, so keep it short please.", "gets up at five"),
            ("Please, no more recipes with nuts: I have a nut allergy.", "has a nut allergy"),
            ("I have moved to Bonn, please update your notes.", "has moved to Bonn"),
            ("Ich bin Vegetarierin, also bitte keine Rezepte mit Fleisch.", "ist Vegetarierin"),
            ("Ich habe eine Nussallergie, also keine Nüsse mehr, bitte.", "hat eine Nussallergie"),
            ("Soy alérgica a las nueces, así que nada de turrón, por favor.", "es alérgica"),
            ("Je suis végétarienne, donc pas de viande, s'il te plaît.", "est végétarienne"),
        ],
    )
    def test_who_tells_something_and_asks_politely_has_told_it(
        self, text: str, statement: str
    ) -> None:
        assert not only_asks(text)
        [item] = learned(text)
        assert item.statement.rstrip(".").endswith(statement) or statement in item.statement
        for wish in (
            "cookies",
            "recipes",
            "short",
            "update",
            "Rezepte",
            "Nüsse",
            "turrón",
            "viande",
        ):
            assert wish not in item.statement

    @pytest.mark.parametrize(
        "text",
        [
            "Please write me a poem.",
            "Give me a recipe with walnuts, please.",
            "I'd like a pizza with mushrooms, no onions, please.",
            "I need a list of hotels in Rome, sorted by price, please.",
            "Schreib mir bitte ein Gedicht.",
            "Una receta sin nueces, por favor.",
            "Une recette sans noix, s'il te plaît.",
            "What should I cook, I am so tired?",
        ],
    )
    def test_who_only_asks_has_told_nothing(self, text: str) -> None:
        assert only_asks(text)
        assert learned(text) == []

    def test_what_comes_before_a_question_is_told(self) -> None:
        assert not only_asks("I live in Graz, where can I buy skis?")


class TestAddressed:
    @pytest.mark.parametrize(
        ("text", "rest"),
        [
            ("Lena, I finally quit smoking.", "I finally quit smoking."),
            ("Tomas, Nadia opened her own workshop.", "Nadia opened her own workshop."),
            ("Anna Maria, my sister moved to Graz.", "my sister moved to Graz."),
            ("Lukas, ich bin nach Bremen gezogen.", "ich bin nach Bremen gezogen."),
            ("Marta, me mudé a Bilbao.", "me mudé a Bilbao."),
            ("Paul, j'ai déménagé à Lyon.", "j'ai déménagé à Lyon."),
        ],
    )
    def test_a_name_that_is_spoken_to_goes(self, text: str, rest: str) -> None:
        assert without_address(text) == rest

    @pytest.mark.parametrize(
        "text",
        [
            "Anna, my sister, moved to Graz.",
            "Anna, Ben and I moved to Graz.",
            "Anna, my best friend and I moved to Graz.",
            "Yesterday, I sold my bike.",
            "Monday, my sister starts at Bosch.",
            "Unfortunately, my mother broke her leg.",
            "Gestern, ich war krank.",
            "Finalmente, me mudé a Bilbao.",
            "Graz, Austria is where I live.",
            "Lena is my sister.",
        ],
    )
    def test_who_is_told_of_stays(self, text: str) -> None:
        assert without_address(text) == text

    def test_whoever_is_spoken_to_the_known_person_is_told_of(self) -> None:
        told = learned("My sister Nadia paints.", "Tomas, Nadia opened her own workshop in Graz.")
        assert "user's sister Nadia opened her own workshop" in told[-1].statement
        assert "Tomas" not in told[-1].statement


class TestAnnounced:
    @pytest.mark.parametrize(
        ("text", "statement"),
        [
            ("My brother has news too: he moved to Leeds.", "The user's brother moved to Leeds."),
            ("I finally did it: I quit my job.", "The user quit their job."),
            ("Something happened: my dog died.", "The user's dog died."),
            ("Here's the thing: I sold the car.", "The user sold the car."),
            ("One more thing: my mother moved to Kiel.", "The user's mother moved to Kiel."),
            ("Guess what happened: I adopted a cat.", "The user adopted a cat."),
            ("Große Neuigkeiten: Ich bin nach Bonn gezogen.", "Der Nutzer ist nach Bonn gezogen."),
            (
                "Es gibt Neuigkeiten: Meine Schwester ist schwanger.",
                "Die Schwester des Nutzers ist schwanger.",
            ),
            ("Tengo noticias: dejé mi trabajo.", "El usuario dejó su trabajo."),
            ("Por fin lo hice: dejé de fumar.", "El usuario dejó de fumar."),
            ("J'ai une nouvelle: j'ai quitté mon travail.", "L'utilisateur a quitté son travail."),
        ],
    )
    def test_only_what_is_announced_is_kept(self, text: str, statement: str) -> None:
        assert [item.statement for item in learned(text)] == [statement]

    def test_who_was_announced_is_who_is_told_of(self) -> None:
        told = learned(
            "My sister Nadia paints.", "Nadia finally did it: she opened her own workshop."
        )
        assert told[-1].statement == "The user's sister Nadia opened her own workshop."

    @pytest.mark.parametrize(
        "text",
        [
            "I have three cats: Mia, Leo and Tom.",
            "My favourite bands are: The Quiet Tides and Marrow Lake.",
            "I read the news every morning.",
            "I made it to the final.",
            "My favourite thing is a long walk.",
        ],
    )
    def test_a_colon_or_a_word_alone_announces_nothing(self, text: str) -> None:
        assert not announces(text)
        assert not announces(text.split(":")[0])
        assert len(learned(text)) == 1

    @pytest.mark.parametrize("text", ["I have news.", "Big news!", "Es gibt Neuigkeiten."])
    def test_an_announcement_alone_is_no_memory(self, text: str) -> None:
        assert learned(text) == []


class TestSpanishWithoutYo:
    @pytest.mark.parametrize(
        ("text", "statements"),
        [
            (
                "Dejé el banco, ahora trabajo como profesora.",
                ["El usuario dejó el banco.", "Ahora el usuario trabaja como profesora."],
            ),
            (
                "Vivo en Madrid, ahora trabajo en una panadería.",
                ["El usuario vive en Madrid, ahora trabaja en una panadería."],
            ),
            (
                "Me mudé a Valencia, ahora estudio enfermería.",
                ["El usuario se mudó a Valencia, ahora estudia enfermería."],
            ),
            (
                "Tengo dos hijos, también cuido a mi madre.",
                ["El usuario tiene dos hijos, también cuida a su madre."],
            ),
            (
                "Me gusta mi trabajo, ahora gano más dinero.",
                ["Al usuario le gusta su trabajo, ahora gana más dinero."],
            ),
            (
                "Vivo con mi hermana, que ahora trabaja en Bilbao.",
                ["El usuario vive con su hermana, que ahora trabaja en Bilbao."],
            ),
        ],
    )
    def test_a_second_verb_is_told_of_the_user_too(self, text: str, statements: list[str]) -> None:
        assert [item.statement for item in learned(text)] == statements
