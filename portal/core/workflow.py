"""State machines as tables."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Generic, TypeVar

from portal.audit.events import AuditEvent
from portal.core.errors import Conflict
from portal.core.labels import N_, Labelled
from portal.core.policy import Permission

State = TypeVar("State", bound=Labelled)
Action = TypeVar("Action", bound=Labelled)


class IllegalStep(Conflict):
    """The step does not start from this state."""


@dataclass(frozen=True, slots=True)
class Step(Generic[State]):
    """One row of a FLOW table; what else a step asks for stands in its named columns."""

    sources: Set[State]
    target: State
    permission: Permission
    event: AuditEvent
    needs_basis: bool = False
    needs: frozenset[str] = frozenset()
    takes: frozenset[str] = frozenset()  # what may be given besides
    days: int | None = None  # open only so long after the end; None: as long as the state lasts


class Workflow(Generic[State, Action]):
    def __init__(self, steps: Mapping[Action, Step[State]]) -> None:
        self.steps = dict(steps)

    def __getitem__(self, action: Action) -> Step[State]:
        return self.steps[action]

    def check(self, action: Action, state: State) -> Step[State]:
        """The step.

        Raises:
            IllegalStep: it does not start from this state.
        """
        step = self.steps[action]
        if state not in step.sources:
            raise IllegalStep(
                N_("いまは「%(state)s」のため、「%(action)s」はできません。最新の状況を確認してください。"),
                state=state,
                action=action,
            )
        return step

    def actions_from(self, state: State) -> list[Action]:
        return [action for action, step in self.steps.items() if state in step.sources]
