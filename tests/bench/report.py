"""What a bench prints, and how it ends."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field

# How a bench ends: what it should measure could not be measured, or a figure is not what was wanted.
BROKEN, MISSED = 1, 3


@dataclass
class Report:
    """Prints each line as it comes; remembers what was missed, and the ratios to compare sizes by."""

    missed: int = 0
    broken: int = 0
    ratios: dict[tuple[str, str], list[float]] = field(default_factory=dict)

    def say(self, line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    def check(self, good: bool, line: str) -> None:
        self.missed += not good
        self.say(f"  {'✓' if good else '✗'} {line}")

    def fail(self, line: str) -> None:
        """Something gave no figure at all."""
        self.broken += 1
        self.say(f"  ✗ {line}")

    def compare_sizes(self, most: float) -> None:
        """Whether what was measured on the largest database is at most so many times slower than on the smallest."""
        for (kind, page), ratios in self.ratios.items():
            if len(ratios) > 1:
                slower = ratios[0] / ratios[-1]
                self.check(slower <= most, f"{kind:<11}{page:<24}{slower:.2f} times slower, at most {most}")

    @property
    def status(self) -> int:
        return BROKEN if self.broken else MISSED if self.missed else 0
