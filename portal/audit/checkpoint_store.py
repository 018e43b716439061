"""The folder outside the data directory in which the portal keeps each checkpoint of its log."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from portal.audit.notes import Head
from portal.audit.vault import create
from portal.core import clock

log = logging.getLogger(__name__)

NAME = re.compile(r"\d{12}\.txt")


class Keeping:
    """One folder for each log, one file for each checkpoint: `<uuid of the origin>/<size, 12 digits>.txt`.

    Bound once for each process. `problem` says why the last checkpoint could not be kept, for the pages to show;
    `seen` is the size of the last one that this process saw committed.
    """

    def __init__(self) -> None:
        self.folder: Path | None = None
        self.is_strict = True
        self.problem = ""
        self.seen = 0

    def bind(self, folder: Path | None, *, is_strict: bool) -> None:
        self.folder, self.is_strict, self.problem = folder, is_strict, ""
        self.seen = 0

    def place(self, origin: str) -> Path | None:
        return self.folder and self.folder / origin.rpartition("/")[2]

    def sizes(self, origin: str) -> list[int]:
        """The sizes of the kept checkpoints of this log, the largest first."""
        place = self.place(origin)
        if place is None or not place.is_dir():
            return []
        return sorted((int(path.stem) for path in place.iterdir() if NAME.fullmatch(path.name)), reverse=True)

    def note(self, origin: str, size: int) -> str:
        """The text of one kept checkpoint; "" when it cannot be read."""
        place = self.place(origin)
        try:
            return (place / f"{size:012}.txt").read_text(encoding="utf-8") if place else ""
        except (OSError, UnicodeDecodeError):
            log.exception("a kept checkpoint cannot be read")
            return ""

    def holds_others(self, origin: str) -> bool:
        """Whether checkpoints of another log are kept here: the database may have been exchanged."""
        place = self.place(origin)
        if self.folder is None or place is None or not self.folder.is_dir():
            return False
        kept = (path for path in self.folder.glob("*/*.txt") if NAME.fullmatch(path.name))
        return any(path.parent.name != place.name for path in kept)

    def is_writable(self, origin: str) -> bool:
        """Whether a checkpoint of this log could be kept now: a file is made and taken away again."""
        place = self.place(origin)
        if place is None:
            return False
        trial = place / ".trial"
        try:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            trial.write_bytes(b"trial")
            trial.unlink(missing_ok=True)  # another process may try at the same moment
        except OSError as error:
            self.problem = type(error).__name__
            return False
        return True

    def keep(self, head: Head, note: str) -> bool:
        """Keep a checkpoint, unless one of its size is kept already. False, and `problem`, when that fails."""
        place = self.place(head.origin)
        if place is None:
            return False
        try:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            create(place / f"{head.size:012}.txt", note.encode())
        except OSError as error:
            # The act is done and logged: the missing checkpoint is kept at the next start.
            self.problem = type(error).__name__
            log.exception("a checkpoint could not be kept outside the data directory")
            return False
        self.problem = ""
        return True

    def lay_aside(self, origin: str, above: int) -> None:
        """Move the checkpoints of a lost branch to their own folder, after two people declared a restore."""
        place = self.place(origin)
        if place is None:
            return
        aside = place / f"lost-{clock.now():%Y%m%dT%H%M%S%f}"
        for size in self.sizes(origin):
            if size > above:
                aside.mkdir(mode=0o700, exist_ok=True)
                (place / f"{size:012}.txt").replace(aside / f"{size:012}.txt")


keeping = Keeping()
