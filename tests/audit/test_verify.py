"""verify_audit.py and the second implementation say the same of every log; no honest history alarms them."""

from __future__ import annotations

import base64
import hashlib
import json
import zipfile
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import verify_audit
from tests.audit import attacker, reference
from tests.audit.attacker import TAMPERINGS, SQLiteAttacker, Tampering
from tests.audit.forge import Forge, canonical
from tests.audit.verifying import Verdict, run
from verify_audit import SOUND, STALE, TAMPERED, WRONG, Tree, is_signed, root_of_path

HISTORIES = 200
IN_A_TEST = 10
ONE_FILE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def forged(tmp_path: Path, seed: int, acts: int = 30) -> Forge:
    """An honest log, all of it covered by a checkpoint that somebody keeps."""
    path = tmp_path / f"{seed}.db"
    path.unlink(missing_ok=True)
    forge = Forge(path, Random(seed))
    forge.live(acts)
    forge.checkpoint()
    return forge


def verdict(forge: Forge, *options: str) -> Verdict:
    return run(forge.path, forge.vkeys[:1], forge.kept, *options)


# The tree, the signature and the form of entries, against what others say of them.


@given(st.lists(st.binary(max_size=40), max_size=70), st.data())
def test_both_trees_have_the_same_roots_and_paths(bodies: list[bytes], data: st.DataObject) -> None:
    leaves = [hashlib.sha256(b"\x00" + body).digest() for body in bodies]
    tree = Tree(b"".join(leaves))
    for size in range(len(bodies) + 1):
        assert tree.root(size) == reference.root_of(bodies[:size])
    if not bodies:
        return
    at = data.draw(st.integers(0, len(bodies) - 1))
    path = reference.path_of(at, bodies)
    root = reference.root_of(bodies)
    assert root_of_path(leaves[at], at, len(bodies), path) == root
    assert reference.root_from_path(at, len(bodies), bodies[at], path) == root
    longer = data.draw(st.sampled_from([[*path, b"\x00" * 32], path[:-1], path[1:], path[::-1]]))
    try:
        other: bytes | None = reference.root_from_path(at, len(bodies), bodies[at], longer)
    except ValueError:
        other = None
    assert root_of_path(leaves[at], at, len(bodies), longer) == other


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=200), st.data())
def test_signatures_are_judged_as_cryptography_judges_them(
    seed: bytes, message: bytes, data: st.DataObject
) -> None:
    key = Ed25519PrivateKey.from_private_bytes(seed)
    public, signature = key.public_key().public_bytes_raw(), key.sign(message)
    assert is_signed(public, message, signature)
    where = data.draw(st.integers(0, 511))
    bent = bytearray(signature)
    bent[where // 8] ^= 1 << where % 8
    assert not is_signed(public, message, bytes(bent))
    assert not is_signed(public, message + b"x", signature)
    wrong = bytearray(public)
    wrong[where % 32] ^= 1 << where % 8
    assert is_signed(bytes(wrong), message, signature) == judged(bytes(wrong), message, signature)


def judged(public: bytes, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def test_a_signature_has_one_form_only() -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    public, signature = key.public_key().public_bytes_raw(), key.sign(b"x")
    s = int.from_bytes(signature[32:], "little")
    for other in (s + verify_audit.ORDER, s + 8 * verify_audit.ORDER):
        if other < 2**256:
            again = signature[:32] + other.to_bytes(32, "little")
            assert not is_signed(public, b"x", again)
            assert not judged(public, b"x", again)
    for length in (0, 63, 65):
        assert not is_signed(public, b"x", (signature + b"\x00")[:length])


def test_points_that_are_none_are_refused() -> None:
    p = verify_audit.P
    not_reduced = [(p + low).to_bytes(32, "little") for low in range(19)]
    negative_zero = (1 | 1 << 255).to_bytes(32, "little")
    off_the_curve = next(
        y.to_bytes(32, "little")
        for y in range(2, 99)
        if verify_audit.decode_point(y.to_bytes(32, "little")) is None
    )
    for public in (*not_reduced, negative_zero, off_the_curve, b"", b"\x00" * 31):
        assert verify_audit.decode_point(public) is None or len(public) != 32
        assert not is_signed(public, b"", b"\x00" * 64)
    # Under a key of small order the same signature fits any message: such a key is nobody's.
    order_two = (p - 1).to_bytes(32, "little")
    identity = (1).to_bytes(32, "little")
    for small in (identity, order_two, (0).to_bytes(32, "little")):
        assert not is_signed(small, b"anything", identity + bytes(32))


BODY: dict[str, Any] = {
    "v": 2,
    "seq": 7,
    "at": "2026-11-24T01:02:03.000004+00:00",
    "event": "person:read",
    "outcome": "allow",
    "staff": "0199a1b2-0000-7000-8000-0000000000aa",
    "agency": None,
    "role": "staff",
    "object": ["person", "0199a1b2-0000-7000-8000-0000000000bb"],
    "subject": "0199a1b2-0000-7000-8000-0000000000bb",
    "categories": ["basic", "health"],
    "ground": "home",
    "channel": "portal",
    "request": "",
    "bucket": "2-5",
    "commitment": None,
    "sealed": None,
}
TEXT = st.one_of(st.none(), st.text(max_size=5), st.sampled_from(["home", 'a"b', "a\\b", "\n", "仮", "a b"]))


@given(
    st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("ground", "role", "channel", "request", "bucket"), TEXT)
    )
)
def test_the_quick_way_to_read_a_body_and_the_slow_one_agree(changes: dict[str, Any]) -> None:
    try:
        body = canonical(BODY | changes)
    except UnicodeEncodeError:
        return
    slow, _fact = verify_audit.read_body(body)
    quick = verify_audit.USUAL.fullmatch(body)
    if quick is None:
        assert any(
            set(str(value)) & set('"\\') or not str(value).isascii() or not str(value).isprintable()
            for value in changes.values()
        )
        return
    assert [one for at, one in enumerate(quick.groups()) if at != 9] == [
        one for at, one in enumerate(slow) if at != 9
    ]
    assert bool(quick[10]) == bool(slow.has_sealed)


GOOD = canonical(BODY)


@pytest.mark.parametrize(
    "body",
    [
        GOOD.replace(b":", b": "),
        GOOD + b"\n",
        GOOD.replace(b'"v":2', b'"v":2,"v":2'),
        GOOD.replace(b'"v":2', b'"v":2.0'),
        GOOD.replace(b'"v":2', b'"v":4'),
        GOOD.replace(b'"v":2', b'"v":1'),
        GOOD.replace(b'"v":2', b'"v":2,"x":1'),
        GOOD.replace(b'"seq":7', b'"seq":07'),
        GOOD.replace(b'"seq":7', b'"seq":' + b"9" * 5000),
        GOOD.replace(b'"seq":7', b'"seq":true'),
        GOOD.replace(b'"home"', b'"h\\u006fme"'),
        GOOD.replace(b'"home"', b'"\\ud800"'),
        GOOD.replace(b'"home"', b'"\xff"'),
        GOOD.replace(b'"home"', b"[" * 100_000),
        GOOD.replace(b"00aa", b"00AA"),
        GOOD.replace(b'"agency":null', b'"agency":"x"'),
        GOOD.replace(b"+00:00", b"+09:00"),
        GOOD.replace(b'"outcome":"allow"', b'"outcome":"maybe"'),
        GOOD.replace(b',"sealed":null', b""),
        b"",
        b"null",
        b"[]",
        b"{}",
        b"NaN",
    ],
)
def test_a_body_has_one_form_only(body: bytes) -> None:
    quick = verify_audit.USUAL.fullmatch(body)
    assert quick is None or (quick[10] is not None) != (quick[15] != b"1")
    with pytest.raises((ValueError, KeyError, TypeError)):
        verify_audit.read_body(body)
    assert verify_audit.read_body(GOOD)


# Honest histories.


@pytest.mark.parametrize("first", range(0, HISTORIES, IN_A_TEST))
def test_no_honest_history_alarms(tmp_path: Path, first: int) -> None:
    for seed in range(first, first + IN_A_TEST):
        forge, keys = honest(tmp_path, seed)
        result = run(forge.path, keys, forge.kept)
        assert result.exit == SOUND, f"history {seed}: {result.text}"
        assert result.result["summary"]["erased"] == len(forge.erased)
        assert reference.Reference(forge.path).verdict(keys, forge.kept) == "sound", seed
        forge.close()


def honest(tmp_path: Path, seed: int) -> tuple[Forge, list[str]]:
    """Some of: written before the migration, erasure, change of the key, backup put back or clock put right, declared."""
    random = Random(f"history {seed}")
    path = tmp_path / f"honest{seed}.db"
    forge = Forge(path, Random(seed))
    if random.random() < 0.3:
        forge.version = 1
        forge.live(random.randrange(15), checkpoints=0)
        forge.reseal()
        forge.checkpoint()
    forge.live(random.randrange(1, 40))
    forge.checkpoint()
    keys, changed_meanwhile = forge.vkeys[:1], False
    for _ in range(random.randrange(4)):
        match random.choice(["erase", "rekey", "restore", "jump"]):
            case "jump":
                forge.jump(timedelta(hours=random.choice([1, 30, 9000])))
            case "erase":
                forge.erase()
            case "rekey":
                forge.rekey()
            case _:
                backup, before = forge.backup(), len(forge.vkeys)
                forge.live(random.randrange(1, 15), checkpoints=0.2)
                if random.random() < 0.3:
                    forge.rekey()
                forge.checkpoint()
                forge.restore(backup)
                changed_meanwhile |= len(forge.vkeys) > before
        forge.live(random.randrange(15))
    forge.checkpoint()
    if changed_meanwhile:
        keys = list(forge.vkeys)  # the change itself was lost: the auditor is handed the new key
    elif random.random() < 0.5:
        keys = forge.vkeys[-1:]  # or the verifier came later, and was handed only the newest
    forge.kept = (
        random.sample(forge.kept, random.randrange(1, len(forge.kept) + 1))
        if random.random() < 0.5
        else forge.kept
    )
    return forge, keys


def test_what_the_summary_says_of_a_long_life(tmp_path: Path) -> None:
    forge = forged(tmp_path, 5)
    backup = forge.backup()
    forge.live(20)
    forge.checkpoint()
    forge.restore(backup)
    forge.rekey()
    forge.erase()
    forge.checkpoint()
    result = verdict(forge)
    assert result.exit == SOUND, result.text
    summary = result.result["summary"]
    assert summary["entries"] == len(forge.bodies)
    assert summary["root"] == reference.root_of(forge.bodies).hex()
    assert (len(summary["restores"]), len(summary["rekeyed"]), summary["erased"]) == (1, 1, 1)
    assert summary["kept_lost"] > 0


def test_a_restore_that_nobody_declared_is_an_alarm(tmp_path: Path) -> None:
    forge = forged(tmp_path, 6)
    backup = forge.backup()
    forge.live(20)
    forge.checkpoint()
    backup["db"].backup(forge.db)
    assert "kept" in verdict(forge).codes


def test_a_restore_excuses_only_what_it_lost(tmp_path: Path) -> None:
    """The backup had been rewritten: what stood before the size that both histories agree on is no loss."""
    forge = forged(tmp_path, 7)
    backup = forge.backup()
    forge.live(20)
    forge.checkpoint()
    forge.restore(backup)
    thief = SQLiteAttacker(forge.path)
    loot = thief.take()
    loot.say(3, ground="emergency")
    thief.put(loot)
    assert {"kept", "root"} <= verdict(forge).codes


# Checkpoints on paper.


def typed(note: str, digits: int = 64) -> str:
    """What somebody types from a monthly report: the number as it is written there, the root in groups."""
    _origin, size, encoded = note.split("\n")[:3]
    root = base64.b64decode(encoded).hex()[:digits]
    return f"{int(size):,} {' '.join(root[at : at + 8] for at in range(0, digits, 8))}"


def on_paper(path: Path, forge: Forge, notes: list[str], digits: int = 16) -> Verdict:
    """Judged by the papers alone."""
    return run(
        path, forge.vkeys, [], *[word for note in notes for word in ("--printed", typed(note, digits))]
    )


@pytest.mark.parametrize("seed", range(5))
def test_what_was_printed_is_held_against_the_log(tmp_path: Path, seed: int) -> None:
    forge = forged(tmp_path, seed)
    forge.bundle(tmp_path / "all.zip")
    for digits in (16, 64):
        assert on_paper(forge.path, forge, forge.kept, digits).exit == SOUND
    found = on_paper(tmp_path / "all.zip", forge, forge.kept)
    assert (found.exit, found.result["summary"]["kept"]) == (SOUND, len(forge.kept))
    wide = typed(forge.kept[-1]).translate({ord(one): ord(one) + 0xFEE0 for one in "0123456789abcdef,"})
    assert run(forge.path, forge.vkeys, [], "--printed", wide).exit == SOUND, "a Japanese keyboard's digits"
    size, root = typed(forge.kept[0]).split(" ", 1)
    assert "kept" in run(forge.path, forge.vkeys, [], "--printed", f"{int(size) + 1} {root}").codes
    assert "kept" in run(tmp_path / "all.zip", forge.vkeys, [], "--printed", f"{int(size) + 1} {root}").codes
    last = int(typed(forge.kept[-1]).split(" ")[0].replace(",", ""))
    forge.bundle(tmp_path / "one.zip", [1])
    assert "kept" in run(tmp_path / "one.zip", forge.vkeys, [], "--printed", f"{last} {'0' * 16}").codes


def test_paper_alone_tells_a_rewritten_history(tmp_path: Path) -> None:
    """Whoever holds the signing key writes a history anew in which every other check is content."""
    forge, other = forged(tmp_path, 3), Forge(tmp_path / "other.db", Random(4))
    other.origin, other.signing = forge.origin, forge.signing
    other.db.execute("UPDATE audit_head SET origin = ?", [forge.origin])
    other.live(40)
    other.checkpoint()
    assert run(other.path, forge.vkeys).exit == SOUND
    assert on_paper(other.path, forge, forge.kept[-1:]).codes == {"kept"}


def test_a_declared_restore_excuses_paper_of_what_it_lost_only(tmp_path: Path) -> None:
    forge = forged(tmp_path, 7)
    backup = forge.backup()
    forge.live(20)
    forge.checkpoint()
    lost = forge.kept[-1]
    forge.restore(backup)
    forge.checkpoint()
    found = on_paper(forge.path, forge, [lost])
    assert found.exit == SOUND, found.text
    assert found.result["summary"]["kept_lost"] == 1
    size, _root = typed(lost).split(" ", 1)
    assert "kept" in run(forge.path, forge.vkeys, [], "--printed", f"{size} {'0' * 16}").codes


@pytest.mark.parametrize("text", ["", "12", "12 0123abcd", "0123456789abcdef", "12 xyz", f"1 {'a' * 65}"])
def test_what_cannot_be_a_printed_checkpoint_is_wrong_usage(tmp_path: Path, text: str) -> None:
    forge = forged(tmp_path, 1, acts=3)
    assert run(forge.path, forge.vkeys, [], "--printed", text).exit == WRONG


# Both implementations on the same logs, sound or not.


@ONE_FILE
@given(st.integers(0, 2**32), st.integers(0, 30), st.sampled_from([None, *TAMPERINGS]))
def test_both_implementations_reach_the_same_verdict(
    tmp_path: Path, seed: int, acts: int, tamper: Tampering | None
) -> None:
    forge = forged(tmp_path, seed, acts)
    if tamper:
        thief = SQLiteAttacker(forge.path)
        loot = thief.take()
        tamper(loot, Random(seed), forge.signing)
        thief.put(loot)
    forge.close()
    found = run(forge.path, forge.vkeys, forge.kept, "--log-only")
    second = reference.Reference(forge.path).verdict(forge.vkeys, forge.kept)
    forge.path.unlink()
    assert (found.exit != TAMPERED) == (second == "sound"), f"{second} / {found.text}"
    assert (found.exit == TAMPERED) == (tamper is not None)


@pytest.mark.parametrize("tamper", TAMPERINGS, ids=lambda one: one.__name__)
def test_every_tampering_is_caught_at_random_places(tmp_path: Path, tamper: Tampering) -> None:
    for seed in range(10):
        forge = forged(tmp_path, seed, 40)
        thief = SQLiteAttacker(forge.path)
        loot = thief.take()
        random = Random(f"{tamper.__name__} {seed}")
        tamper(loot, random, forge.signing)
        thief.put(loot)
        # By the log alone: no row of another table gives it away.
        found = verdict(forge, "--log-only")
        assert found.exit == TAMPERED, f"{tamper.__name__} {seed}: {found.text}"
        assert found.result["findings"]
        forge.close()


def test_an_old_file_is_recognised(tmp_path: Path) -> None:
    for seed in range(10):
        forge = forged(tmp_path, seed)
        old = forge.backup()
        forge.live(5)
        forge.checkpoint()
        old["db"].backup(forge.db)
        assert verdict(forge, "--log-only").exit == TAMPERED


def test_it_says_between_which_entries_something_was_changed(tmp_path: Path) -> None:
    forge = Forge(tmp_path / "log.db", Random(1))
    for _ in range(3):
        forge.live(20, checkpoints=0)
        forge.checkpoint()
    sizes = [attacker.size_of(note) for note in forge.kept]
    thief = SQLiteAttacker(forge.path)
    loot = thief.take()
    loot.say(sizes[0] + 3, ground="emergency")
    thief.put(loot)
    said = [one["ja"] for one in verdict(forge).result["findings"] if one["code"] == "root"]
    assert (
        said[0]
        == f"改ざん確認用の控え {sizes[1]}: 記録 {sizes[0] + 1}～{sizes[1]} のどれかが変えられています"
    )


# Stale is not tampered.


def test_without_any_checkpoint_the_log_is_stale(tmp_path: Path) -> None:
    forge = Forge(tmp_path / "log.db", Random(1))
    forge.live(10, checkpoints=0)
    assert run(forge.path, forge.vkeys).exit == STALE


def test_an_empty_log_is_sound(tmp_path: Path) -> None:
    forge = Forge(tmp_path / "log.db", Random(1))
    assert run(forge.path, forge.vkeys).exit == SOUND


def test_the_newest_checkpoint_grows_old(tmp_path: Path) -> None:
    forge = forged(tmp_path, 1)
    at = forge.at
    assert verdict(forge, "--now", at.isoformat()).exit == SOUND
    assert verdict(forge, "--now", at.replace(year=2027).isoformat()).exit == STALE
    assert verdict(forge, "--now", at.replace(year=2027).isoformat(), "--max-age", "20000").exit == SOUND
    forge.at = at.replace(year=2028)
    forge.read()
    assert verdict(forge).exit == STALE


def test_too_many_entries_after_the_newest_checkpoint(tmp_path: Path) -> None:
    forge = forged(tmp_path, 1)
    for _ in range(2000):
        forge.record("person:listed")
    assert verdict(forge, "--max-age", "100000").exit == STALE


# The keys.


def test_a_key_that_nobody_vouched_for_is_no_key(tmp_path: Path) -> None:
    forge = forged(tmp_path, 3)
    forge.signing = forge.new_signing_key()  # changed, and the log does not say so
    forge.live(5)
    forge.checkpoint()
    assert "signer" in verdict(forge).codes


def test_an_old_key_signs_no_longer(tmp_path: Path) -> None:
    forge = forged(tmp_path, 3)
    old = forge.signing
    forge.rekey()
    assert verdict(forge).exit == SOUND
    forge.signing = old
    forge.live(5)
    forge.checkpoint()
    assert "signer" in verdict(forge).codes


def test_a_key_of_another_log(tmp_path: Path) -> None:
    one, other = forged(tmp_path, 3), forged(tmp_path, 4)
    assert "signer" in run(one.path, other.vkeys, one.kept).codes
    assert "origin" in run(one.path, one.vkeys, other.kept).codes


# A person's key.


def test_a_key_destroyed_without_a_word(tmp_path: Path) -> None:
    forge = forged(tmp_path, 8, 40)
    forge.db.execute("UPDATE subject_key SET wrapped = NULL, destroyed_at = '2026-01-01 00:00:00.000000'")
    assert verdict(forge).codes == {"key"}


def test_a_key_that_outlived_the_erasure(tmp_path: Path) -> None:
    forge = forged(tmp_path, 8, 40)
    forge.erase()
    forge.checkpoint()
    assert verdict(forge).exit == SOUND
    forge.db.execute("UPDATE subject_key SET wrapped = 'back', destroyed_at = NULL WHERE wrapped IS NULL")
    assert verdict(forge).codes == {"key"}


def test_details_under_somebody_elses_key(tmp_path: Path) -> None:
    forge = forged(tmp_path, 8, 40)
    one, other = forge.db.execute("SELECT id FROM subject_key LIMIT 2").fetchall()
    forge.db.execute("UPDATE audit_detail SET key_id = ? WHERE key_id = ?", (one[0], other[0]))
    assert "altered" in verdict(forge).codes


# The records beside the log.


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("INSERT INTO referral VALUES ('00000000000040008000000000000000', 'draft')", "unexplained"),
        ("INSERT INTO agency VALUES ('00000000000040008000000000000000')", "unexplained"),
        ("DELETE FROM progress_note WHERE rowid = 1", "vanished"),
        ("DELETE FROM person WHERE rowid = 1", "vanished"),
        ("UPDATE referral SET status = 'rejected' WHERE rowid = 1", "status"),
        ("UPDATE disclosure SET basis = 'emergency' WHERE rowid = 1", "ledger"),
        ("UPDATE disclosure SET person_id = 'x' WHERE rowid = 1", "ledger"),
        ("UPDATE disclosure SET from_agency_id = to_agency_id WHERE rowid = 1", "ledger"),
        ("UPDATE disclosure SET channel = 'packet' WHERE rowid = 1", "ledger"),
        ("UPDATE disclosure SET starts_at = '2020-01-01 00:00:00.000000' WHERE rowid = 1", "ledger"),
        ("UPDATE disclosure SET ended_at = '2020-01-01 00:00:00.000000' WHERE rowid = 1", "ledger"),
        ("UPDATE disclosure SET ended_at = NULL", "ledger"),
        ("DELETE FROM disclosure_category WHERE rowid = 1", "ledger"),
        ("DELETE FROM disclosure WHERE rowid = 1", "vanished"),
    ],
)
def test_a_record_that_the_log_does_not_tell_of(tmp_path: Path, change: str, code: str) -> None:
    forge = Forge(tmp_path / "log.db", Random(3))
    forge.live(80)
    forge.checkpoint()
    assert verdict(forge).exit == SOUND, verdict(forge).text
    forge.db.execute(change)
    assert verdict(forge).codes == {code}


# Bundles.


def test_a_bundle_of_everything(tmp_path: Path) -> None:
    forge = forged(tmp_path, 9)
    forge.bundle(tmp_path / "all.zip")
    found = run(tmp_path / "all.zip", forge.vkeys, forge.kept)
    assert found.exit == SOUND, found.text
    assert found.result["summary"]["entries"] == len(forge.bodies)


def test_a_bundle_of_a_few_entries_with_their_proofs(tmp_path: Path) -> None:
    for seed in range(10):
        forge = forged(tmp_path, seed)
        some = sorted(forge.random.sample(range(1, len(forge.bodies) + 1), 5))
        forge.bundle(tmp_path / "some.zip", some)
        found = run(tmp_path / "some.zip", forge.vkeys, forge.kept)
        assert found.exit == SOUND, found.text
        said = json.loads(forge.bodies[some[2] - 1])
        forge.bodies[some[2] - 1] = canonical(said | {"ground": "emergency"})
        with_lie = lied(tmp_path / "some.zip", forge, some[2])
        found = run(with_lie, forge.vkeys, forge.kept)
        assert "proof" in found.codes


def lied(path: Path, forge: Forge, seq: int) -> Path:
    """The same bundle, but for the body of one entry."""
    target = path.with_name("lie.zip")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "entries.jsonl":
                lines = [json.loads(line) for line in content.splitlines()]
                for line in lines:
                    if line["seq"] == seq:
                        line["body"] = forge.bodies[seq - 1].decode()
                content = "".join(json.dumps(line) + "\n" for line in lines).encode()
            new.writestr(name, content)
    return target


def test_a_bundle_against_older_checkpoints(tmp_path: Path) -> None:
    forge = forged(tmp_path, 9)
    fork = forged(tmp_path, 9)
    fork.bodies[4] = fork.bodies[4].replace(b'"allow"', b'"deny"')
    root = reference.root_of(fork.bodies)
    stale = attacker.signed_note(fork.origin, len(fork.bodies), root, fork.at, [fork.signing])
    forge.bundle(tmp_path / "all.zip")
    assert "kept" in run(tmp_path / "all.zip", forge.vkeys, [stale]).codes


def test_the_vkey_is_what_everybody_computes(tmp_path: Path) -> None:
    forge = forged(tmp_path, 1)
    key = verify_audit.parse_vkey(forge.vkeys[0])
    assert key.public == forge.signing.public_key().public_bytes_raw()
    name, hashed, encoded = forge.vkeys[0].split("+", 2)
    assert hashlib.sha256(name.encode() + b"\n" + base64.b64decode(encoded)).hexdigest()[:8] == hashed
