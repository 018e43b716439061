"""The RFC 9162 Merkle tree over the stored bytes of the entries; `docs/audit-log.md` says it byte by byte."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

EMPTY = hashlib.sha256(b"").digest()
HASH = 32


def leaf(body: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + body).digest()


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


class Growing:
    """A tree that is only appended to: it keeps the roots of its perfect subtrees, one for each bit of its size."""

    def __init__(self, size: int = 0, peaks: bytes = b"") -> None:
        """Go on from a tree of this size.

        Raises:
            ValueError: the peaks are not those of a tree of this size.
        """
        if len(peaks) != HASH * size.bit_count():
            raise ValueError("peaks and size do not belong together")
        self.size = size
        self.stack = [peaks[at : at + HASH] for at in range(0, len(peaks), HASH)]

    def append(self, body: bytes) -> None:
        self.append_leaf(leaf(body))

    def append_leaf(self, top: bytes) -> None:
        size = self.size
        while size & 1:  # each one at the end of the old size is a subtree that is now complete
            top = node(self.stack.pop(), top)
            size >>= 1
        self.stack.append(top)
        self.size += 1

    @property
    def peaks(self) -> bytes:
        return b"".join(self.stack)

    def root(self) -> bytes:
        if not self.stack:
            return EMPTY
        top = self.stack[-1]
        for left in reversed(self.stack[:-1]):
            top = node(left, top)
        return top


def root_of(leaves: Iterable[bytes]) -> bytes:
    tree = Growing()
    for one in leaves:
        tree.append_leaf(one)
    return tree.root()


def inclusion(leaves: Sequence[bytes], wanted: Iterable[int]) -> dict[int, list[bytes]]:
    """The RFC 9162 inclusion paths of these positions (from 0), all in one walk up the tree, level by level."""
    paths: dict[int, list[bytes]] = {index: [] for index in wanted}
    places = {index: index for index in paths}
    level = list(leaves)
    while len(level) > 1:
        for index, place in places.items():
            beside = place ^ 1
            if beside < len(level):
                paths[index].append(level[beside])
            places[index] = place >> 1
        pairs = [node(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
        # A lone node at the end rises as it is: the right edge of a tree that is not perfect.
        level = pairs + level[len(pairs) * 2 :]
    return paths
