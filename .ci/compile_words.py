"""Compiles the catalogues of words; ends with 1, and plain words, when the portal would show too few of them.

`pybabel compile` skips a catalogue that is marked fuzzy, or has lost its header, and ends with 0.

    .venv/bin/python .ci/compile_words.py [--untranslated-may-wait] [FOLDER]
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import PoFileError, read_po

TRANSLATIONS = Path(__file__).resolve().parent.parent / "portal" / "translations"
# Babel guesses at a line whose quotation mark is missing.
LINE = re.compile(r'(#.*|(msg(id|id_plural|str|str\[\d\]) )?"([^"\\]|\\.)*"|)')
HEADER = re.compile(r'^msgid ""\nmsgstr ""\n"', re.MULTILINE)
MOST_SHOWN = 5


def say(line: str) -> None:
    sys.stderr.write(line + "\n")


def shown(messages: list[Message]) -> str:
    """A few of the messages, by their Japanese."""
    some = "、".join(
        f"「{one.id if isinstance(one.id, str) else one.id[0]}」" for one in messages[:MOST_SHOWN]
    )
    return some + ("…" if len(messages) > MOST_SHOWN else "")


def is_empty(message: Message) -> bool:
    strings = message.string if isinstance(message.string, (list, tuple)) else [message.string]
    return not all(one and one.strip() for one in strings)


def compiled(path: Path, *, untranslated_may_wait: bool) -> tuple[bytes, list[str]]:
    """The compiled catalogue, and what is wrong with it in both languages."""
    try:
        text = path.read_text(encoding="utf-8")
        torn = [number for number, line in enumerate(text.split("\n"), 1) if not LINE.fullmatch(line)]
        if torn:
            return b"", [f"{torn[0]} 行目が壊れています / line {torn[0]} is broken"]
        catalog = read_po(BytesIO(text.encode()), locale=path.parts[-3], abort_invalid=True)
    except (PoFileError, ValueError, OSError) as error:
        return b"", [f"読めません / cannot be read: {error}"]
    wrong = wrongs(catalog, has_header=bool(HEADER.search(text)))
    words = [one for one in catalog if one.id]
    untranslated = [one for one in words if is_empty(one)]
    if untranslated:
        line = f"訳のない言葉 / words without a translation: {len(untranslated)}: {shown(untranslated)}"
        if untranslated_may_wait:
            say(f"ℹ {path}: {line}")
        else:
            wrong.append(line)
    if not words:
        wrong.append("言葉が一つもありません / holds no words")
    packed = BytesIO()
    write_mo(packed, catalog)
    packed.seek(0)
    count = sum(1 for one in read_mo(packed) if one.id)
    if not wrong and count != len(words) - len(untranslated):
        wrong.append(
            f"{len(words)} のうち {count} だけになりました / compiles to {count} of {len(words)} words"
        )
    return packed.getvalue(), wrong


def wrongs(catalog: Catalog, *, has_header: bool) -> list[str]:
    wrong = []
    if not has_header:
        wrong.append('先頭の見出し（msgid ""）がありません / the header (msgid "") is missing')
    elif catalog.fuzzy:
        wrong.append("先頭の見出しに fuzzy の印があります / the header is marked fuzzy")
    if fuzzy := [one for one in catalog if one.id and one.fuzzy]:
        wrong.append(f"fuzzy の印のある言葉 / words marked fuzzy: {len(fuzzy)}: {shown(fuzzy)}")
    for message, errors in catalog.check():
        wrong.append(f"{shown([message])} {errors[0]}")
    return wrong


def put(path: Path, content: bytes) -> None:
    """Replace the file in one step, and only when it says something else: others may be reading it."""
    if path.is_file() and path.read_bytes() == content:
        return
    fresh = path.with_suffix(f".{os.getpid()}.mo")
    try:
        fresh.write_bytes(content)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path, default=TRANSLATIONS)
    parser.add_argument(
        "--untranslated-may-wait", action="store_true", help="only name the words that have no translation"
    )
    chosen = parser.parse_args()
    paths = sorted(chosen.folder.glob("*/LC_MESSAGES/messages.po"))
    if not paths:
        say(f"✗ 訳文の台帳がありません / no catalogue of words in {chosen.folder}")
        return 1
    failed = False
    for path in paths:
        content, wrong = compiled(path, untranslated_may_wait=chosen.untranslated_may_wait)
        if wrong:
            failed = True
            say(f"✗ 訳文の台帳を使える形にできません / this catalogue of words does not compile: {path}")
            for line in wrong[: MOST_SHOWN * 2]:
                say(f"    {line}")
        else:
            put(path.with_suffix(".mo"), content)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
