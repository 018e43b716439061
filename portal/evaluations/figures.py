"""Figures: one number of the yearly table, by area and code, and how it is shown to whom."""

from __future__ import annotations

from dataclasses import dataclass

from portal.activities.kinds import ActivityKind
from portal.evaluations.catalogue import COUNTS, MEASURES, Count, Measure, Spec


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Which figure: the area's code, and `<kind>.<count>` for activities or a measure's code."""

    area: str
    code: str

    @property
    def kind(self) -> ActivityKind | None:
        return ActivityKind(self.code.partition(".")[0]) if "." in self.code else None

    @property
    def what(self) -> Count | Measure:
        return Count(self.code.partition(".")[2]) if "." in self.code else Measure(self.code)

    @property
    def spec(self) -> Spec:
        what = self.what
        return COUNTS[what] if isinstance(what, Count) else MEASURES[what]


def of_kind(area: str, kind: ActivityKind, count: Count) -> Key:
    return Key(area, f"{kind.value}.{count.value}")


def of_measure(area: str, measure: Measure) -> Key:
    return Key(area, measure.value)


# What a reader outside the programme is shown in the place of a small number of people.
FEW = -1


def shown(value: int, spec: Spec, *, inside: bool, least: int) -> int:
    """The number, or `FEW` where it counts people, is not zero and lies below `least`."""
    return FEW if spec.of_people and not inside and 0 < value < least else value
