"""The index: in step with the database whatever happens."""

from __future__ import annotations

import os
import platform
import random
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from recall_helpers import EMBEDDER, PETS_AND_WORK, Life, a_life, observation, proof

from tsubasa_cli.memory.embedder import Rarity, unit_rows
from tsubasa_cli.memory.index import MemoryIndex
from tsubasa_cli.memory.values import Op, Status
from tsubasa_cli.memory.vectors import VectorIndex, new_vectors
from tsubasa_cli.memory.word_query import word_query
from tsubasa_cli.memory.words_index import DamagedIndexError, Tier
from tsubasa_cli.storage.paths import Paths

if TYPE_CHECKING:
    from tsubasa_cli.memory.embedder import Vectors

WEIGHTS = (1.0, 1.0, 1.0)


def found(life: Life, word: str, tier: Tier = Tier.ACTIVE) -> list[str]:
    return [key for key, _ in life.index.search_words(word_query(word), 10, tier, WEIGHTS)]


def pending(life: Life) -> int:
    return int(life.connection.execute("SELECT count(*) FROM memory_outbox").fetchone()[0])


class TestCatchingUp:
    def test_what_is_learned_is_found_by_words_and_by_meaning(self, home: Paths) -> None:
        with a_life(home) as life:
            life.learn(*PETS_AND_WORK)
            life.index.catch_up()
            assert found(life, "beagl") == ["mdog000001"]
            assert life.index.similar("The user is a vegetarian.", 1)[0][0] == "mfood00001"
            assert pending(life) == 0

    def test_a_statement_is_nearest_to_itself(self, home: Paths) -> None:
        with a_life(home) as life:
            life.learn(*PETS_AND_WORK)
            life.index.catch_up()
            best, cosine = life.index.similar(PETS_AND_WORK[0].statement, 3)[0]
            assert best == "mdog000001"
            assert cosine == pytest.approx(1, abs=1e-4)

    def test_changes_after_the_first_time_are_heard(self, home: Paths) -> None:
        with a_life(home) as life:
            life.learn(*PETS_AND_WORK)
            life.index.catch_up()
            life.learn(observation("mcar000001", "The user drives a tram."))
            assert life.index.catch_up() == 1
            assert found(life, "tram") == ["mcar000001"]
            assert life.index.catch_up() == 0

    @pytest.mark.parametrize(
        ("status", "tier"),
        [
            (Status.SUPERSEDED, Tier.HISTORIC),
            (Status.FORGOTTEN, None),
            (Status.QUARANTINED, None),
            (Status.ERASED, None),
        ],
    )
    def test_a_status_moves_an_observation(
        self, home: Paths, status: Status, tier: Tier | None
    ) -> None:
        with a_life(home) as life:
            life.learn(observation("mone000001", "The user plays the oboe."))
            life.index.catch_up()
            life.learn(
                observation("mone000001", "The user plays the oboe.", status=status),
                op=Op.SUPERSEDE,
            )
            life.index.catch_up()
            assert [t for t in Tier if found(life, "obo", t)] == ([tier] if tier else [])
            assert life.index.similar("The user plays the oboe.", 1) == []
            assert life.index.differences() == set()

    def test_a_new_wording_replaces_the_old(self, home: Paths) -> None:
        with a_life(home) as life:
            life.learn(observation("mone000001", "The user plays the oboe."))
            life.index.catch_up()
            life.learn(observation("mone000001", "The user plays the harp."), op=Op.EDIT)
            life.index.catch_up()
            assert found(life, "obo") == []
            assert found(life, "harp") == ["mone000001"]

    def test_applying_twice_changes_nothing(self, home: Paths) -> None:
        with a_life(home) as life:
            life.learn(*PETS_AND_WORK)
            life.index.catch_up()
            life.connection.execute(
                "INSERT INTO memory_outbox (kind, ref) SELECT 'observation', id FROM observations"
            )
            life.index.catch_up()
            assert life.index.count(Tier.ACTIVE) == len(PETS_AND_WORK)
            assert found(life, "beagl") == ["mdog000001"]

    def test_progress_is_told(self, home: Paths) -> None:
        seen: list[tuple[int, int]] = []
        with a_life(home) as life:
            life.learn(*PETS_AND_WORK)
            life.index.catch_up(lambda done, total: seen.append((done, total)))
        assert seen[-1] == (5, 5)

    def test_an_observation_is_found_by_what_was_said(self, home: Paths) -> None:
        with a_life(home) as life:
            turn = life.say("My greyhound won a ribbon!")
            life.learn(
                observation(
                    "mone000001",
                    "The user's pet won a prize.",
                    evidence=proof(turn, "My greyhound"),
                )
            )
            life.index.catch_up()
            assert found(life, "ribbon") == ["mone000001"]


class TestTurns:
    def test_the_users_turns_are_found(self, home: Paths) -> None:
        with a_life(home) as life:
            turn = life.say("I bought a kayak today.")
            life.index.catch_up()
            assert found(life, "kayak", Tier.TURNS) == [f"turn:{turn}"]

    def test_a_session_without_memory_is_not_indexed(self, home: Paths) -> None:
        with a_life(home) as life:
            session = life.sessions.create().id
            life.connection.execute("UPDATE sessions SET memory = 0 WHERE id = ?", (session,))
            life.say("I bought a kayak today.", session)
            life.index.catch_up()
            assert found(life, "kayak", Tier.TURNS) == []

    def test_a_deleted_session_leaves_and_comes_back(self, home: Paths) -> None:
        with a_life(home) as life:
            session = life.sessions.create().id
            life.say("I bought a kayak today.", session)
            life.index.catch_up()
            life.sessions.delete(session)
            life.index.catch_up()
            assert found(life, "kayak", Tier.TURNS) == []
            life.sessions.restore(session)
            life.index.catch_up()
            assert len(found(life, "kayak", Tier.TURNS)) == 1

    def test_a_purged_session_is_gone(self, home: Paths) -> None:
        with a_life(home) as life:
            session = life.sessions.create().id
            life.say("I bought a kayak today.", session)
            life.index.catch_up()
            life.sessions.purge(session)
            life.index.catch_up()
            assert found(life, "kayak", Tier.TURNS) == []
            assert life.index.differences() == set()


class TestTwoProcesses:
    def test_a_reader_sees_what_another_writes(self, home: Paths) -> None:
        with a_life(home) as life:
            life.learn(*PETS_AND_WORK)
            life.index.catch_up()
            other = life.another_index()
            assert other.similar("a dog", 1)
            life.learn(observation("mcar000001", "The user drives a tram."))
            life.index.catch_up()
            assert other.similar("The user drives a tram.", 1)[0][0] == "mcar000001"
            assert other.search_words(word_query("tram"), 5, Tier.ACTIVE, WEIGHTS)

    def test_a_reader_survives_a_rebuild_by_another(self, home: Paths) -> None:
        with a_life(home) as life:
            life.learn(*PETS_AND_WORK)
            life.index.catch_up()
            other = life.another_index()
            other.similar("a dog", 1)
            life.index.rebuild()
            assert other.similar(PETS_AND_WORK[0].statement, 1)[0][0] == "mdog000001"
            assert not life.messages


class _OtherEmbedder:
    """Another model: vectors of another size from the same words."""

    name = "other/1"
    dimensions = 16
    noise = 0.0

    def embed(self, texts: list[str]) -> Vectors:
        return unit_rows(np.ascontiguousarray(EMBEDDER.embed(texts)[:, :16]))

    def embed_queries(self, texts: list[str], rarity: Rarity | None = None) -> Vectors:
        del rarity
        return self.embed(texts)


class TestRebuilding:
    def test_another_embedder_means_a_rebuild(self, home: Paths) -> None:
        with a_life(home) as life:
            life.learn(*PETS_AND_WORK)
            life.index.catch_up()
        with a_life(home, _OtherEmbedder()) as life:  # type: ignore[arg-type]
            progress: list[int] = []
            life.index.catch_up(lambda done, _: progress.append(done))
            assert progress == [5]
            assert len(life.messages) == 1
            assert life.index.similar(PETS_AND_WORK[0].statement, 1)[0][0] == "mdog000001"

    def test_a_rebuilt_index_is_the_same(self, home: Paths) -> None:
        with a_life(home) as life:
            life.learn(*PETS_AND_WORK)
            life.say("I bought a kayak today.")
            life.index.catch_up()
            assert life.index.rebuild() == 6
            assert life.index.differences() == set()
            assert found(life, "beagl") == ["mdog000001"]

    def test_a_rebuild_leaves_no_word_of_what_went(self, home: Paths) -> None:
        with a_life(home) as life:
            life.learn(observation("mone000001", "The user collects xylophones."))
            life.index.catch_up()
            life.learn(observation("mone000001", "", status=Status.ERASED), op=Op.ERASE)
            life.index.rebuild()
            files = [file for file in home.index.rglob("*") if file.is_file()]
            assert files
            assert not any(b"xylophon" in file.read_bytes() for file in files)

    def test_the_first_building_is_not_announced(self, home: Paths) -> None:
        with a_life(home) as life:
            life.learn(*PETS_AND_WORK)
            life.index.catch_up()
            assert life.messages == []


def _drop(folder: Path) -> None:
    shutil.rmtree(folder)


def _truncate(folder: Path) -> None:
    for file in _files(folder):
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def _zero(folder: Path) -> None:
    for file in _files(folder):
        file.write_bytes(bytes(file.stat().st_size))


def _empty(folder: Path) -> None:
    for file in _files(folder):
        file.write_bytes(b"")


def _files(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file()]


class TestDamage:
    """Each kind of damage, to either half, found when the program starts the next time."""

    @pytest.mark.parametrize("harm", [_drop, _truncate, _zero, _empty])
    @pytest.mark.parametrize("which", ["index", "vectors"])
    def test_is_mended_with_a_message(self, home: Paths, harm: object, which: str) -> None:
        _fill(home)
        harm(home.index if which == "index" else home.index_vectors)  # type: ignore[operator]
        _assert_mended(home)

    def test_of_the_words_is_mended(self, home: Paths) -> None:
        _fill(home)
        home.index_words.write_bytes(home.index_words.read_bytes()[:5000])
        _assert_mended(home)

    @pytest.mark.parametrize("seed", range(12))
    def test_of_one_random_file_is_mended_or_harmless(self, home: Paths, seed: int) -> None:
        _fill(home, count=1_200)
        chance = random.Random(seed)
        file = chance.choice(sorted(_files(home.index)))
        content = bytearray(file.read_bytes())
        start = chance.randrange(max(len(content), 1))
        if chance.random() < 0.3:
            content = content[:start]
        else:
            noise = chance.randbytes(chance.choice([1, 64, 4096]))
            content[start : start + len(noise)] = noise
        file.write_bytes(content)
        with a_life(home) as life:
            life.index.catch_up()
            assert life.index.differences() == set()
            assert found(life, "beagl") == ["mdog000001"]
            assert life.index.similar(PETS_AND_WORK[0].statement, 1)[0][0] == "mdog000001"

    def test_while_open_is_mended(self, home: Paths) -> None:
        with a_life(home) as life:
            life.learn(*PETS_AND_WORK)
            life.index.catch_up()
            shutil.rmtree(home.index)
            life.learn(observation("mcar000001", "The user drives a tram."))
            life.index.catch_up()
            assert found(life, "tram") == ["mcar000001"]
            assert found(life, "beagl") == ["mdog000001"]
            assert life.messages

    def test_dying_while_vectors_are_written_costs_a_rebuild(self, home: Paths) -> None:
        _fill(home)
        (manifest,) = home.index_vectors.rglob("checked.json")
        manifest.write_text('{"is_being_written": true, "files": {}}')
        _assert_mended(home)

    def test_rows_lost_from_one_half_are_brought_back(self, home: Paths) -> None:
        _fill(home)
        with sqlite3.connect(home.index_words) as words:
            words.execute("DELETE FROM entries WHERE id = 'mdog000001'")
        words.close()
        with a_life(home) as life:
            assert life.index.differences() == {"mdog000001"}
            life.index.catch_up()
            assert life.index.differences() == set()

    def test_an_id_that_the_database_does_not_know_goes(self, home: Paths) -> None:
        _fill(home)
        with a_life(home) as life:
            life.connection.execute("DELETE FROM observations WHERE id = 'mdog000001'")
            life.index.catch_up()
            assert life.index.differences() == set()
            assert found(life, "beagl") == []


def _fill(home: Paths, count: int = 0) -> None:
    with a_life(home) as life:
        life.learn(*PETS_AND_WORK)
        life.learn(
            *(observation(f"mx{n:08}", f"The user saw film number {n}.") for n in range(count))
        )
        life.index.catch_up()


def _assert_mended(home: Paths) -> None:
    with a_life(home) as life:
        life.index.catch_up()
        assert life.messages
        assert life.index.differences() == set()
        assert found(life, "beagl") == ["mdog000001"]
        assert life.index.similar(PETS_AND_WORK[0].statement, 1)[0][0] == "mdog000001"


_WRITER = """
import sys
from pathlib import Path
from tsubasa_cli.memory.embedder import default_embedder
from tsubasa_cli.memory.index import MemoryIndex
from tsubasa_cli.storage.database import connect
from tsubasa_cli.storage.paths import Paths
paths = Paths(Path(sys.argv[1]), Path(sys.argv[1]))
index = MemoryIndex(paths, connect(paths), default_embedder())
print("ready", flush=True)
while True:
    index.catch_up()
"""


class TestDying:
    def test_while_writing_loses_nothing(self, home: Paths) -> None:
        chance = random.Random(3)
        with a_life(home) as life:
            life.learn(*PETS_AND_WORK)
            life.index.catch_up()
            for round_ in range(4):
                with subprocess.Popen(
                    [sys.executable, "-c", _WRITER, str(home.data)], stdout=subprocess.PIPE
                ) as writer:
                    assert writer.stdout
                    writer.stdout.readline()
                    for number in range(40):
                        key = f"m{round_}{number:08}"
                        life.learn(observation(key, f"The user saw film {number} in {round_}."))
                    time.sleep(chance.random() * 0.3)
                    writer.kill()
                life.index.catch_up()
                assert life.index.differences() == set()
            assert life.index.count(Tier.ACTIVE) == 5 + 4 * 40

    def test_two_that_write_at_once_agree(self, home: Paths) -> None:
        with a_life(home) as life:
            other = life.another_index()
            failures: list[BaseException] = []

            def keep_up(index: MemoryIndex) -> None:
                try:
                    for _ in range(30):
                        index.catch_up()
                        index.similar("The user saw a film.", 3)
                except BaseException as error:
                    failures.append(error)

            threads = [
                threading.Thread(target=keep_up, args=(index,)) for index in (life.index, other)
            ]
            for thread in threads:
                thread.start()
            for number in range(60):
                life.learn(observation(f"m{number:09}", f"The user saw film {number}."))
            for thread in threads:
                thread.join()
            assert failures == []
            life.index.catch_up()
            assert life.index.differences() == set()
            assert other.differences() == set()


class TestOffline:
    def test_nothing_is_asked_of_any_network(self, home: Paths) -> None:
        program = """
import socket, sys
def refuse(*_, **__):
    raise AssertionError("a network was asked for")
socket.socket.connect = socket.socket.connect_ex = refuse
socket.getaddrinfo = socket.gethostbyname = socket.create_connection = refuse
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from recall_helpers import PETS_AND_WORK, a_life, moment
from tsubasa_cli.memory.recall import Recaller
from tsubasa_cli.storage.paths import Paths
with a_life(Paths(Path(sys.argv[1]), Path(sys.argv[1]))) as life:
    life.learn(*PETS_AND_WORK)
    life.index.catch_up()
    found = Recaller(life.index, life.log).recall("What is my dog called?", now=moment())
    print(found[0].observation.id)
"""
        helpers = str(Path(__file__).parent)
        done = subprocess.run(
            [sys.executable, "-c", program, str(home.data), helpers],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout.strip() == "mdog000001", done.stderr


MAKE_VECTORS = """
import sys
from pathlib import Path
import numpy as np
from tsubasa_cli.memory import vectors
if sys.argv[3] == "as Chroma leaves them":
    vectors.overwrite_unused = lambda folder: None
index = vectors.new_vectors(Path(sys.argv[1]))
count = int(sys.argv[2])
rows = np.random.default_rng(0).normal(size=(count, 32)).astype(np.float32)
with index.writing():
    index.put(vectors.Tier.ACTIVE, [f"m{place}" for place in range(count)], rows)
index.close()
"""
FOUND_IN_NEW_MEMORY = 0x5A


class TestUnusedSlots:
    """What Chroma writes for elements that are not there yet is memory of the process, words and
    all. Here the allocator fills memory with one letter before it hands it out."""

    def made(self, folder: Path, count: int, how: str = "ours") -> dict[str, int]:
        """By file, how often it holds what was in memory before."""
        environment = {**os.environ, "MALLOC_PERTURB_": str(0xFF ^ FOUND_IN_NEW_MEMORY)}
        code = [sys.executable, "-c", MAKE_VECTORS, str(folder), str(count), how]
        subprocess.run(code, env=environment, check=True)
        files = {file.name: file.read_bytes() for file in folder.glob("*/*.bin")}
        return {name: text.count(bytes([FOUND_IN_NEW_MEMORY] * 16)) for name, text in files.items()}

    @pytest.mark.parametrize("count", [1, 7, 1_100])
    def test_nothing_of_what_memory_held_is_written(self, home: Paths, count: int) -> None:
        folder = home.data / "vectors"
        assert set(self.made(folder, count).values()) == {0}
        index = VectorIndex(folder)
        assert index.count(Tier.ACTIVE) == count
        rows = np.random.default_rng(0).normal(size=(count, 32)).astype(np.float32)
        assert index.nearest(Tier.ACTIVE, rows[0], 1)[0] == ("m0", pytest.approx(1.0, abs=1e-5))
        index.close()

    @pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc fills new memory")
    def test_chroma_would_have_written_it(self, home: Paths) -> None:
        assert self.made(home.data / "vectors", 7, "as Chroma leaves them")["data_level0.bin"] > 0

    def test_a_header_cut_short_is_a_damaged_index(self, home: Paths) -> None:
        folder = home.data / "vectors"
        index = new_vectors(folder)
        with index.writing():
            index.put(Tier.ACTIVE, ["m0"], np.ones((1, 32), np.float32))
        for header in folder.glob("*/header.bin"):
            header.write_bytes(header.read_bytes()[:20])
        with pytest.raises(DamagedIndexError, match="cut short"), index.writing():
            pass
        index.close()
