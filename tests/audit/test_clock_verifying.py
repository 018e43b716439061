"""Times that go back: what `verify_audit.py` lets pass is one declared step, and no more."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import verify_audit
from tests.audit import reference
from tests.audit.forge import Forge
from tests.audit.verifying import Verdict, run
from verify_audit import SOUND, STALE, TAMPERED

HOUR, DAY, YEAR = timedelta(hours=1), timedelta(days=1), timedelta(days=366)
BACK = pytest.mark.parametrize("back", [HOUR, DAY + HOUR, YEAR, 10 * YEAR], ids=str)


@pytest.fixture
def forge(tmp_path: Path) -> Iterator[Forge]:
    made = Forge(tmp_path / "log.db", Random(1))
    made.live(20)
    yield made
    made.close()


def verdict(forge: Forge, *options: str) -> Verdict:
    """What both implementations say, which is the same."""
    found = run(forge.path, forge.vkeys, forge.kept, *options)
    second = reference.Reference(forge.path).verdict(forge.vkeys, forge.kept)
    assert (found.exit != TAMPERED) == (second == "sound"), f"{second} / {found.text}"
    return found


def where(found: Verdict) -> list[str]:
    return [one["where"] for one in found.result["findings"] if one["code"] == "clock"]


def finish(forge: Forge) -> Verdict:
    forge.live(20)
    forge.checkpoint()
    return verdict(forge)


@BACK
def test_a_declared_jump_is_listed_and_no_finding(forge: Forge, back: timedelta) -> None:
    before = forge.at.isoformat(timespec="microseconds")
    seq = forge.jump(back)
    found = finish(forge)
    assert found.exit == SOUND, found.text
    (said,) = found.result["summary"]["jumps"]
    assert (said["seq"], said["before"]) == (seq, before)


@BACK
def test_a_jump_that_nobody_declared_is_an_alarm(forge: Forge, back: timedelta) -> None:
    seq = forge.jump(back, is_declared=False)
    found = finish(forge)
    assert found.exit == TAMPERED
    assert "clock" in found.codes
    assert where(found) == [str(seq)], "the step is named, not all that came after"


def test_a_wobble_is_no_jump_and_cannot_be_declared(forge: Forge) -> None:
    forge.read()
    forge.at -= timedelta(minutes=5)
    append(forge, forge.at)
    assert finish(forge).exit == SOUND
    forge.at -= timedelta(minutes=5)
    append(
        forge,
        forge.at,
        "log:clock",
        {"before": (forge.at + timedelta(minutes=5)).isoformat("T", "microseconds")},
    )
    assert finish(forge).codes == {"clock"}


def append(forge: Forge, at: Any, event: str = "person:listed", fact: dict[str, Any] | None = None) -> None:
    """An entry at just this time."""
    given = {"fact": fact | {"last": forge.seq}} if fact else {}
    forge.at = at
    plain, forge.random = forge.random, Still(1)
    forge.record(event, details={"reason": "時計"} if fact else None, **given)
    forge.random = plain


class Still(Random):
    """No time passes."""

    def randrange(self, *_given: int, **_more: int) -> int:
        return 0


def test_the_margin_is_five_minutes_to_the_microsecond(forge: Forge) -> None:
    forge.read()
    append(forge, forge.at - timedelta(minutes=5))
    assert finish(forge).exit == SOUND
    append(forge, forge.at - timedelta(minutes=5, microseconds=1))
    assert finish(forge).codes == {"clock"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"last": 3},
        {"before": "2031-01-01T00:00:00.000000+00:00"},
        {"more": 1},
    ],
    ids=str,
)
def test_a_declaration_is_of_just_the_step_onto_itself(forge: Forge, wrong: dict[str, Any]) -> None:
    forge.jump(DAY * 3, fact=wrong)
    assert "clock" in finish(forge).codes


def test_a_declaration_that_cannot_be_read(forge: Forge) -> None:
    forge.jump(DAY * 3, fact={"before": 5})
    forge.checkpoint()
    assert {"clock", "fact"} <= run(forge.path, forge.vkeys, forge.kept).codes


def test_one_declaration_is_no_licence_for_the_next_step(forge: Forge) -> None:
    forge.jump(DAY * 3)
    forge.live(5)
    seq = forge.jump(HOUR, is_declared=False)
    found = finish(forge)
    assert found.codes == {"clock"}
    assert where(found) == [str(seq)]


def test_a_declaration_before_the_step_covers_nothing(forge: Forge) -> None:
    said = {"before": forge.at.isoformat(timespec="microseconds"), "last": forge.seq}
    forge.record("log:clock", "audit_head", details={"reason": "時計"}, fact=said)
    forge.jump(DAY * 3, is_declared=False)
    found = finish(forge)
    assert len(found.result["findings"]) >= 2
    assert "clock" in found.codes


def test_a_declaration_as_the_first_entry(tmp_path: Path) -> None:
    forge = Forge(tmp_path / "log.db", Random(1))
    forge.jump(DAY)
    assert "clock" in verdict(forge).codes
    forge.close()


def test_two_jumps_each_declared(forge: Forge) -> None:
    forge.jump(YEAR)
    forge.live(10)
    forge.at += 3 * YEAR  # ahead by mistake, and put right again
    forge.live(3)
    forge.checkpoint()
    forge.jump(3 * YEAR)
    found = finish(forge)
    assert found.exit == SOUND, found.text
    assert len(found.result["summary"]["jumps"]) == 2


def test_the_newest_checkpoint_is_not_old_because_a_clock_was_ahead(forge: Forge) -> None:
    right = forge.at
    forge.at += YEAR
    forge.live(5)
    forge.checkpoint()
    forge.jump(forge.at - right)
    found = finish(forge)
    assert found.exit == SOUND, "the last entry is that of the clock put right"
    assert verdict(forge, "--now", (forge.at + 3 * HOUR).isoformat()).exit == SOUND
    assert verdict(forge, "--now", (forge.at + 3 * DAY).isoformat()).exit == STALE


def test_a_declaration_that_no_checkpoint_covers_is_not_proved_yet(forge: Forge) -> None:
    said = {"before": forge.at.isoformat(timespec="microseconds"), "last": forge.seq}
    forge.checkpoint()
    forge.at -= DAY
    forge.record("log:clock", "audit_head", details={"reason": "時計"}, fact=said)
    assert verdict(forge).exit == STALE


def test_what_was_written_before_verifies_as_it_did(forge: Forge) -> None:
    """Version 2: within a day between two checkpoints, and any step from one to the next."""
    forge.version = 2
    forge.checkpoint()
    forge.jump(20 * HOUR, is_declared=False)
    assert finish(forge).exit == SOUND
    forge.jump(YEAR, is_declared=False)
    found = finish(forge)
    assert found.exit != TAMPERED, found.text
    assert any("取り込まれた" in one["ja"] for one in found.result["remarks"]), "they stand after version 3"
    forge.read()
    forge.jump(30 * HOUR, is_declared=False)
    assert "time" in run(forge.path, forge.vkeys, forge.kept).codes


def test_an_old_history_says_nothing_of_loaded_entries(tmp_path: Path) -> None:
    forge = Forge(tmp_path / "log.db", Random(2))
    forge.version = 2
    forge.live(20)
    forge.version = 3
    found = finish(forge)
    assert found.exit == SOUND
    assert not any("読み込" in ja for ja, _en in found.result["remarks"])
    forge.close()


def test_the_first_entry_of_the_new_version_may_not_go_back_either(tmp_path: Path) -> None:
    forge = Forge(tmp_path / "log.db", Random(2))
    forge.version = 2
    forge.live(20)
    forge.version = 3
    backup = forge.backup()
    forge.jump(2 * HOUR, is_declared=False)
    assert finish(forge).codes == {"clock"}
    backup["db"].backup(forge.db)
    for name in forge.STATE:
        setattr(forge, name, backup[name])
    forge.kept = []
    forge.jump(2 * HOUR)
    assert finish(forge).exit == SOUND
    forge.close()


@pytest.mark.parametrize(
    "change",
    [
        lambda said: said.update(at="2026-04-01T00:00:00.000000+00:00"),
        lambda said: said["fact"].update(before="2030-04-01T00:00:00.000000+00:00"),
        lambda said: said.update(event="person:listed"),
    ],
)
def test_a_declaration_that_is_changed_afterwards_is_tampering(
    forge: Forge, change: Callable[[dict[str, Any]], None]
) -> None:
    seq = forge.jump(DAY * 3)
    forge.live(5)
    forge.checkpoint()
    body = json.loads(forge.bodies[seq - 1])
    change(body)
    thief = sqlite3.connect(forge.path)
    raw = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    thief.execute("UPDATE audit_entry SET body = ? WHERE seq = ?", (raw, seq))
    thief.commit()
    thief.close()
    found = verdict(forge)
    assert {"root", "clock"} <= found.codes


def test_in_a_bundle_too(forge: Forge, tmp_path: Path) -> None:
    forge.jump(DAY * 3)
    forge.live(5)
    forge.bundle(tmp_path / "good.zip")
    found = run(tmp_path / "good.zip", forge.vkeys)
    assert found.exit == SOUND, found.text
    assert len(found.result["summary"]["jumps"]) == 1
    forge.jump(DAY, is_declared=False)
    forge.bundle(tmp_path / "bad.zip")
    assert run(tmp_path / "bad.zip", forge.vkeys).codes == {"clock"}


def test_steps_from_part_to_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The entries are read in parts by several processes: a step where two parts meet is found, a declared one passes."""
    monkeypatch.setattr(
        verify_audit.SQLiteFile,
        "parts",
        lambda _self, _table, last, _count: [
            (edge, edge + 1) for edge in range(last)
        ],  # each entry a part of its own
    )
    for is_declared in (True, False):
        forge = Forge(tmp_path / f"{is_declared}.db", Random(3))
        forge.live(10)
        seq = forge.jump(3 * DAY, is_declared=is_declared)
        forge.live(10)
        forge.checkpoint()
        found = verdict(forge)
        assert found.exit == (SOUND if is_declared else TAMPERED), found.text
        assert where(found) == ([] if is_declared else [str(seq)])
        forge.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32), st.lists(st.tuples(st.integers(-1, 4), st.booleans()), max_size=6))
def test_any_jumps_are_found_unless_declared(
    tmp_path: Path, seed: int, jumps: list[tuple[int, bool]]
) -> None:
    """-1 is ahead, which is nobody's business; 0 to 4 go back by more and more."""
    forge = Forge(tmp_path / "log.db", Random(seed))
    forge.live(seed % 7)
    undeclared = set()
    for how, is_declared in jumps:
        if how < 0:
            forge.at += YEAR
        else:
            seq = forge.jump([HOUR, 5 * HOUR, DAY, 40 * DAY, YEAR][how], is_declared=is_declared)
            undeclared |= set() if is_declared else {seq}
        forge.live(1 + seed % 4)
    forge.checkpoint()
    found = verdict(forge)
    forge.close()
    forge.path.unlink()
    alarms = {int(one["where"]) for one in found.result["findings"] if one["code"] == "clock"}
    assert alarms == undeclared, found.text
    assert found.exit == (TAMPERED if undeclared else SOUND)
