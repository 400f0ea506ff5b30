"""The nightly run: what is written down for each scheduler, and what their commands are told.

Files are real, in a temporary home; the programs of the platform are stand-ins that record what
they were asked, for they are where Tsubasa ends. Where the real checkers exist, they check.
"""

from __future__ import annotations

import os
import plistlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import time
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from tsubasa_cli.cli import learn_schedule
from tsubasa_cli.errors import InputError
from tsubasa_cli.learn import schedule, schedulers
from tsubasa_cli.learn.schedule import Job, nightly
from tsubasa_cli.learn.schedulers import Cron, Launchd, ScheduleError, Systemd
from tsubasa_cli.storage.database import connect
from tsubasa_cli.storage.night_record import read_night
from tsubasa_cli.storage.paths import Paths

AWKWARD = "a b%c$d'e\"f;g=h"
"""A folder that everything which expands something would trip over."""

SYSTEMCTL = """
case "$2 $BROKEN" in
  "show-environment "*) exit 0 ;;
  "enable yes") echo "Failed to connect to bus" >&2; exit 1 ;;
esac
"""
LAUNCHCTL = """
state="$RECORD.loaded"
case "$1" in
  print) test -e "$state" ;;
  bootout) /bin/rm "$state" ;;
  bootstrap)
    test "$BROKEN" = yes && { echo "Bootstrap failed: 5" >&2; exit 5; }
    test -e "$state" && { echo "Load failed: already loaded" >&2; exit 37; }
    : > "$state" ;;
esac
"""
CRONTAB = """
table="$RECORD.crontab"
if [ "$1" = -l ]; then
  test "$BROKEN" = yes && { echo "crontab: not allowed" >&2; exit 1; }
  test -e "$table" || { echo "no crontab for me" >&2; exit 1; }
  /bin/cat "$table"
else
  /bin/cat > "$table"
fi
"""


class Platform:
    """A home without anything, and a PATH that holds only the stand-ins that were installed."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.programs, self.record = root, root / "programs", root / "record"
        self.programs.mkdir()
        self._set = monkeypatch.setenv
        monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
        self._set("HOME", str(root))
        self._set("PATH", str(self.programs))
        self._set("RECORD", str(self.record))
        self._set("BROKEN", "no")

    def has(self, **scripts: str) -> None:
        for name, script in scripts.items():
            program = self.programs / name
            program.write_text(f'#!/bin/sh\necho "{name} $*" >> "$RECORD"\n{script}')
            program.chmod(0o755)

    def breaks(self) -> None:
        self._set("BROKEN", "yes")

    @property
    def asked(self) -> list[str]:
        return self.record.read_text().splitlines() if self.record.exists() else []

    @property
    def crontab(self) -> Path:
        return self.root / "record.crontab"

    @property
    def units(self) -> Path:
        return self.root / ".config" / "systemd" / "user"


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Platform:
    root = tmp_path / AWKWARD
    root.mkdir()
    return Platform(root, monkeypatch)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A run whose every path is awkward, of a program that tells what it was given."""
    folder = tmp_path / AWKWARD
    folder.mkdir(exist_ok=True)
    python = folder / "python"
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$TSUBASA_HOME" "$@" > "$TSUBASA_HOME/given"\n')
    python.chmod(0o755)
    return Job(
        at=time(2, 30),
        command=(str(python), "-m", "tsubasa_cli", "learn", "--when-idle"),
        environment={"TSUBASA_HOME": str(folder)},
        log=folder / "learn.log",
    )


class TestJob:
    def test_it_is_this_python_and_this_home(self, home: Paths) -> None:
        job = nightly(time(2, 30), home)
        assert job.command == (sys.executable, "-m", "tsubasa_cli", "learn", "--when-idle")
        assert job.environment["TSUBASA_HOME"] == str(home.data)
        assert job.log.parent == home.logs

    def test_a_relative_home_is_made_absolute(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("TSUBASA_HOME", "mine")
        job = nightly(time(2, 30), Paths.from_environment())
        assert job.environment["TSUBASA_HOME"] == str(tmp_path / "mine")

    def test_without_a_home_of_its_own_none_is_carried(self) -> None:
        around = {"XDG_DATA_HOME": "/data", "HOME": "/me", "PATH": "/bin"}
        job = nightly(time(2, 30), Paths(Path("/data/t"), Path("/config/t")), around)
        assert job.environment == {"XDG_DATA_HOME": "/data"}

    def test_a_line_break_in_a_path_is_refused(self) -> None:
        paths = Paths(Path("/data\nExecStart=/bin/evil"), Path("/config"))
        with pytest.raises(InputError, match="cannot be scheduled"):
            nightly(time(2, 30), paths, {"TSUBASA_HOME": "yes"})


class TestSystemdText:
    def test_the_timer_catches_up(self, job: Job) -> None:
        timer = schedule.systemd_timer(job)
        assert "OnCalendar=*-*-* 02:30:00\n" in timer
        assert "Persistent=true\n" in timer
        assert schedule.time_in_timer(timer) == time(2, 30)
        assert schedule.time_in_timer("[Timer]\nOnCalendar=daily\n") is None

    def test_nothing_in_a_path_is_expanded(self, job: Job) -> None:
        service = schedule.systemd_service(job)
        line = next(line for line in service.splitlines() if line.startswith("ExecStart="))
        assert 'a b%%c$$d\'e\\"f;g=h/python"' in line
        assert line.endswith('"-m" "tsubasa_cli" "learn" "--when-idle"')
        home = next(line for line in service.splitlines() if line.startswith("Environment="))
        assert home.endswith('a b%%c$d\'e\\"f;g=h"')

    @pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here")
    def test_systemd_accepts_the_units(self, job: Job, tmp_path: Path) -> None:
        folder = tmp_path / "units"
        folder.mkdir()
        (folder / schedulers.SERVICE).write_text(schedule.systemd_service(job))
        (folder / schedulers.TIMER).write_text(schedule.systemd_timer(job))
        units = [str(folder / schedulers.SERVICE), str(folder / schedulers.TIMER)]
        assert _systemd_finds(units) == ""
        broken = schedule.systemd_service(job).replace('"-m"', '"-m')
        (folder / schedulers.SERVICE).write_text(broken)
        assert "unbalanced quot" in _systemd_finds(units).casefold()

    @pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here")
    def test_systemd_reads_the_same_time(self, job: Job) -> None:
        calendar = next(
            line.partition("=")[2]
            for line in schedule.systemd_timer(replace(job, at=time(0, 5))).splitlines()
            if line.startswith("OnCalendar=")
        )
        told = subprocess.run(
            ["systemd-analyze", "calendar", calendar], capture_output=True, text=True, check=True
        )
        assert "Normalized form: *-*-* 00:05:00" in told.stdout


class TestLaunchdText:
    def test_the_agent_is_a_property_list_with_everything(self, job: Job) -> None:
        agent = plistlib.loads(schedule.launchd_agent(job))
        assert agent["ProgramArguments"] == list(job.command)
        assert agent["EnvironmentVariables"] == dict(job.environment)
        assert agent["StartCalendarInterval"] == {"Hour": 2, "Minute": 30}
        assert agent["StandardErrorPath"] == str(job.log)
        assert schedule.time_in_agent(schedule.launchd_agent(job)) == time(2, 30)

    @pytest.mark.parametrize("agent", [b"", b"no list", plistlib.dumps({"Label": "x"})])
    def test_what_is_not_ours_has_no_time(self, agent: bytes) -> None:
        assert schedule.time_in_agent(agent) is None

    @pytest.mark.skipif(not shutil.which("plutil"), reason="no plutil here")
    def test_plutil_accepts_it(self, job: Job, tmp_path: Path) -> None:
        file = tmp_path / "agent.plist"
        file.write_bytes(schedule.launchd_agent(job))
        subprocess.run(["plutil", "-lint", str(file)], check=True)


class TestCronText:
    def test_the_line_is_at_the_right_time(self, job: Job) -> None:
        assert schedule.cron_line(job).startswith("30 2 * * * TSUBASA_HOME=")
        line = schedule.cron_line(replace(job, at=time(23, 5)))
        assert line.startswith("5 23 * * * ")
        assert schedule.time_in_crontab(f"MAILTO=me\n{line}\n") == time(23, 5)

    def test_the_shell_that_cron_starts_runs_exactly_the_job(self, job: Job) -> None:
        """cron turns an escaped percent sign into a plain one and gives the rest to sh."""
        line = schedule.cron_line(job)
        command = line.removeprefix("30 2 * * * ").replace("\\%", "%")
        subprocess.run(["/bin/sh", "-c", command], check=True, cwd="/")
        home = Path(job.environment["TSUBASA_HOME"])
        assert (home / "given").read_text().splitlines() == [str(home), *job.command[1:]]
        assert job.log.exists()

    def test_no_percent_sign_is_left_bare(self, job: Job) -> None:
        line = schedule.cron_line(job)
        assert line.count("%") == line.count("\\%") > 0

    @pytest.mark.skipif(not shutil.which("crontab"), reason="no cron here")
    def test_cron_accepts_the_line(self, job: Job, tmp_path: Path) -> None:
        """``-n`` checks a table and installs nothing (Debian's cron)."""
        told = subprocess.run(["crontab", "-h"], capture_output=True, text=True)
        if "-n" not in told.stdout + told.stderr:
            pytest.skip("this crontab cannot only check")
        table = tmp_path / "table"
        table.write_text(schedule.cron_line(job) + "\n")
        subprocess.run(["crontab", "-n", str(table)], check=True, capture_output=True)

    def test_a_backslash_is_refused(self, job: Job) -> None:
        with pytest.raises(InputError, match="backslash"):
            schedule.cron_line(replace(job, log=Path("/a\\b")))

    def test_other_lines_are_left_as_they_are(self, job: Job) -> None:
        theirs = "# mine\nMAILTO=me\n\n0 5 * * 1 backup # tsubasa learning is nice\n"
        once = schedule.with_cron_line(theirs, schedule.cron_line(job))
        assert once == theirs + schedule.cron_line(job) + "\n"
        later = schedule.cron_line(replace(job, at=time(4, 0)))
        assert schedule.with_cron_line(once, later) == f"{theirs}{later}\n"
        assert schedule.without_cron_line(once) == theirs
        assert schedule.without_cron_line("") == ""
        assert schedule.with_cron_line("0 5 * * 1 x", later) == f"0 5 * * 1 x\n{later}\n"


class TestSystemd:
    def test_it_is_written_enabled_and_found(self, platform: Platform, job: Job) -> None:
        platform.has(systemctl=SYSTEMCTL)
        Systemd().install(job)
        assert (platform.units / "tsubasa-learn.service").read_text() == (
            schedule.systemd_service(job)
        )
        assert platform.asked == [
            "systemctl --user daemon-reload",
            "systemctl --user enable tsubasa-learn.timer",
            "systemctl --user restart tsubasa-learn.timer",
        ]
        assert Systemd().scheduled_at() == time(2, 30)

    def test_twice_is_once_and_a_new_time_replaces_the_old(
        self, platform: Platform, job: Job
    ) -> None:
        platform.has(systemctl=SYSTEMCTL)
        Systemd().install(job)
        files = _files(platform.root / ".config")
        Systemd().install(job)
        assert _files(platform.root / ".config") == files
        Systemd().install(replace(job, at=time(4, 0)))
        assert Systemd().scheduled_at() == time(4, 0)
        assert len(_files(platform.root / ".config")) == 2

    def test_what_fails_leaves_everything_as_it_was(self, platform: Platform, job: Job) -> None:
        platform.has(systemctl=SYSTEMCTL)
        Systemd().install(job)
        files = _files(platform.root / ".config")
        platform.breaks()
        with pytest.raises(ScheduleError) as caught:
            Systemd().install(replace(job, at=time(4, 0)))
        assert caught.value.why == "Failed to connect to bus"
        assert _files(platform.root / ".config") == files

    def test_a_first_failure_leaves_no_file(self, platform: Platform, job: Job) -> None:
        platform.has(systemctl=SYSTEMCTL)
        platform.breaks()
        with pytest.raises(ScheduleError):
            Systemd().install(job)
        assert _files(platform.root / ".config") == {}

    def test_removing_takes_all_of_it(self, platform: Platform, job: Job) -> None:
        platform.has(systemctl=SYSTEMCTL)
        Systemd().install(job)
        platform.record.unlink()
        assert Systemd().remove() is True
        assert platform.asked == [
            "systemctl --user disable --now tsubasa-learn.timer",
            "systemctl --user daemon-reload",
        ]
        assert _files(platform.root / ".config") == {}
        assert Systemd().remove() is False

    def test_it_follows_xdg_config_home(
        self, platform: Platform, job: Job, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        platform.has(systemctl=SYSTEMCTL)
        monkeypatch.setenv("XDG_CONFIG_HOME", str(platform.root / "conf"))
        Systemd().install(job)
        assert (platform.root / "conf/systemd/user/tsubasa-learn.timer").exists()

    def test_an_unwritable_folder_is_told(self, platform: Platform, job: Job) -> None:
        platform.has(systemctl=SYSTEMCTL)
        (platform.root / ".config").write_text("a file where a folder belongs")
        with pytest.raises(ScheduleError, match="Cannot change"):
            Systemd().install(job)


class TestLaunchd:
    def test_it_is_loaded_once_and_replaced(self, platform: Platform, job: Job) -> None:
        platform.has(launchctl=LAUNCHCTL)
        Launchd().install(job)
        Launchd().install(replace(job, at=time(4, 0)))
        assert Launchd().scheduled_at() == time(4, 0)
        domain = f"gui/{os.getuid()}"
        told = [line for line in platform.asked if " print " not in line]
        file = platform.root / "Library/LaunchAgents/dev.tsubasa.learn.plist"
        assert told == [
            f"launchctl bootstrap {domain} {file}",
            f"launchctl bootout {domain}/dev.tsubasa.learn",
            f"launchctl bootstrap {domain} {file}",
        ]

    def test_removing_unloads_and_deletes(self, platform: Platform, job: Job) -> None:
        platform.has(launchctl=LAUNCHCTL)
        Launchd().install(job)
        assert Launchd().remove() is True
        assert Launchd().scheduled_at() is None
        assert not (platform.root / "record.loaded").exists()
        assert Launchd().remove() is False

    def test_what_fails_leaves_no_agent(self, platform: Platform, job: Job) -> None:
        platform.has(launchctl=LAUNCHCTL)
        platform.breaks()
        with pytest.raises(ScheduleError) as caught:
            Launchd().install(job)
        assert caught.value.why == "Bootstrap failed: 5"
        assert Launchd().scheduled_at() is None


class TestCron:
    def test_a_first_crontab_is_made(self, platform: Platform, job: Job) -> None:
        platform.has(crontab=CRONTAB)
        Cron().install(job)
        assert platform.crontab.read_text() == schedule.cron_line(job) + "\n"
        assert Cron().scheduled_at() == time(2, 30)

    def test_the_rest_of_the_crontab_is_kept_byte_for_byte(
        self, platform: Platform, job: Job
    ) -> None:
        platform.has(crontab=CRONTAB)
        theirs = "# jalapeño in an old encoding: ".encode() + b"\xf1\n0 5 * * 1 backup\n"
        platform.crontab.write_bytes(theirs)
        Cron().install(job)
        Cron().install(job)
        assert platform.crontab.read_bytes() == theirs + schedule.cron_line(job).encode() + b"\n"
        assert Cron().remove() is True
        assert platform.crontab.read_bytes() == theirs
        assert Cron().remove() is False

    def test_a_crontab_that_cannot_be_read_is_not_overwritten(
        self, platform: Platform, job: Job
    ) -> None:
        platform.has(crontab=CRONTAB)
        platform.crontab.write_text("0 5 * * 1 backup\n")
        platform.breaks()
        with pytest.raises(ScheduleError) as caught:
            Cron().install(job)
        assert caught.value.why == "crontab: not allowed"
        assert platform.crontab.read_text() == "0 5 * * 1 backup\n"


class TestChoice:
    def test_systemd_before_cron(self, platform: Platform) -> None:
        platform.has(crontab=CRONTAB)
        assert schedulers.find_scheduler().name == "cron"
        platform.has(systemctl=SYSTEMCTL)
        assert schedulers.find_scheduler().name == "systemd"
        assert schedulers.find_scheduler("cron").name == "cron"

    def test_a_systemd_without_a_user_session_is_passed_over(self, platform: Platform) -> None:
        platform.has(systemctl="exit 1\n", crontab=CRONTAB)
        assert schedulers.find_scheduler().name == "cron"

    def test_launchd_on_a_mac(self, platform: Platform) -> None:
        platform.has(launchctl=LAUNCHCTL, crontab=CRONTAB)
        assert schedulers.find_scheduler().name == "launchd"

    @pytest.mark.parametrize(
        ("name", "what"),
        [
            ("", "None of systemd, launchd, cron works here"),
            ("cron", "cron does not work here"),
            ("anacron", "There is no scheduler called “anacron”"),
        ],
    )
    @pytest.mark.usefixtures("platform")
    def test_none_at_all_is_told(self, name: str, what: str) -> None:
        with pytest.raises(ScheduleError, match=what):
            schedulers.find_scheduler(name)

    def test_only_one_scheduler_holds_the_run(self, platform: Platform, job: Job) -> None:
        platform.has(systemctl=SYSTEMCTL, crontab=CRONTAB)
        schedulers.install(job, Cron())
        schedulers.install(job, Systemd())
        assert schedulers.scheduled() == ("systemd", time(2, 30))
        assert platform.crontab.read_text() == ""
        assert schedulers.remove() == ["systemd"]
        assert schedulers.scheduled() is None


class TestCommands:
    """``learn schedule`` and ``unschedule`` as a person runs them."""

    @pytest.fixture
    def tsubasa(self, home: Paths) -> Callable[..., tuple[int, str, str]]:
        app = typer.Typer()
        learn_schedule.add_to(app)

        def run(*arguments: str) -> tuple[int, str, str]:
            result = CliRunner().invoke(app, arguments)
            if isinstance(result.exception, Exception):
                raise result.exception
            return result.exit_code, result.stdout, result.stderr

        assert home.data.exists()
        return run

    def test_it_is_shown_then_written_then_taken_back(
        self, platform: Platform, tsubasa: Callable[..., tuple[int, str, str]]
    ) -> None:
        platform.has(systemctl=SYSTEMCTL)
        code, shown, _ = tsubasa("schedule", "02:30", "--dry-run")
        assert code == 0
        assert "OnCalendar=*-*-* 02:30:00" in shown
        assert str(platform.units / "tsubasa-learn.timer") in shown
        assert "systemctl --user enable tsubasa-learn.timer" in shown
        assert "loginctl enable-linger" in shown
        assert not platform.units.exists()
        code, _, said = tsubasa("schedule", "02:30", "--yes")
        assert (code, said) == (0, "Tsubasa learns every night at 02:30 (systemd).\n")
        assert read_night(connect(Paths.from_environment())).at == time(2, 30)
        assert learn_schedule.told() == ["It learns every night at 02:30 (systemd)."]
        written = (platform.units / "tsubasa-learn.service").read_text()
        assert all(line.strip() in shown for line in written.splitlines())
        assert tsubasa("unschedule")[2] == "The nightly run is removed from systemd.\n"
        assert tsubasa("unschedule")[2] == "Nothing was scheduled.\n"
        assert learn_schedule.told() == []
        assert read_night(connect(Paths.from_environment())).at is None

    def test_without_a_yes_nothing_is_written(
        self, platform: Platform, tsubasa: Callable[..., tuple[int, str, str]]
    ) -> None:
        platform.has(crontab=CRONTAB)
        with pytest.raises(InputError, match="confirmation"):
            tsubasa("schedule", "02:30")
        assert not platform.crontab.exists()

    @pytest.mark.usefixtures("platform")
    def test_what_is_no_time_is_refused(self, tsubasa: Callable[..., tuple[int, str, str]]) -> None:
        with pytest.raises(InputError, match="not a time of day"):
            tsubasa("schedule", "tonight", "--yes")


def _systemd_finds(units: list[str]) -> str:
    """What systemd objects to in the units; it also complains of other files of the machine's."""
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", "--man=no", *units],
        capture_output=True,
        text=True,
        env={**os.environ, "XDG_RUNTIME_DIR": str(Path(units[0]).parent)},
    )
    assert "Failed to" not in done.stderr, done.stderr
    said = done.stderr.splitlines()
    return "\n".join(line for line in said if "tsubasa" in line)


def _files(folder: Path) -> dict[str, bytes]:
    found = [file for file in folder.rglob("*") if file.is_file()]
    return {str(file.relative_to(folder)): file.read_bytes() for file in found}
