"""The two keys outside the database: the one that signs checkpoints, and the master key that wraps each person's."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)


@dataclass(frozen=True, slots=True)
class Keyring:
    """What lies in `KEY_DIR`. `masters` by id; new keys are wrapped by `master_id`. `former` signs beside `signing`
    until the first checkpoint after a change of keys is made."""

    signing: Ed25519PrivateKey
    former: Ed25519PrivateKey | None
    master_id: str
    masters: dict[str, bytes]


def load(folder: Path) -> Keyring:
    """The keys of this installation, made on the first call.

    Raises:
        RuntimeError: a key file that is no key file.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    create(folder / "signing.pem", pem(Ed25519PrivateKey.generate()))
    create(folder / "master.key", master_line())
    former = folder / "former.pem"
    lines = (folder / "master.key").read_text().split()
    masters = {}
    for line in lines:
        name, _, key = line.partition(":")
        masters[name] = bytes.fromhex(key)
    if not masters or any(len(key) != 32 for key in masters.values()):
        raise RuntimeError(f"{folder / 'master.key'}: one line for each key, as id:64 hex digits")
    return Keyring(
        signing=read_pem(folder / "signing.pem"),
        former=read_pem(former) if former.exists() else None,
        master_id=list(masters)[-1],
        masters=masters,
    )


def change_signing(folder: Path) -> None:
    """Lay a new signing key beside the present one, which becomes the former."""
    fresh = folder / "signing.pem.new"
    with suppress(FileNotFoundError):
        fresh.unlink()
    create(fresh, pem(Ed25519PrivateKey.generate()))
    (folder / "signing.pem").replace(folder / "former.pem")
    fresh.replace(folder / "signing.pem")


def forget_former(folder: Path) -> None:
    with suppress(FileNotFoundError):
        (folder / "former.pem").unlink()


def add_master(folder: Path) -> None:
    """Add a master key: what is wrapped from now on is wrapped by it."""
    path = folder / "master.key"
    fresh = folder / "master.key.new"
    with suppress(FileNotFoundError):
        fresh.unlink()
    create(fresh, path.read_bytes() + master_line())
    fresh.replace(path)


def master_line() -> bytes:
    return f"{secrets.token_hex(4)}:{secrets.token_hex(32)}\n".encode()


def pem(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def read_pem(path: Path) -> Ed25519PrivateKey:
    key = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise RuntimeError(f"{path}: not an Ed25519 key")
    return key


def create(path: Path, content: bytes) -> None:
    """Write a file for the owner only, whole or not at all; leave one alone that is there already."""
    if path.exists():
        return
    beside = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(beside, path)
    except FileExistsError:
        pass  # a second process was quicker: its file stays
    except OSError:
        if path.exists():
            return
        beside.replace(path)  # a network share without hard links
    finally:
        beside.unlink(missing_ok=True)
