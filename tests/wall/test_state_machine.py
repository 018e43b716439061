"""Whatever the agencies do, and in whatever order, the wall stands after every step."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.wall.machine_watch import Agencies


def test_the_wall_stands_whatever_the_agencies_do(
    app: Flask, renew: Callable[[], str], pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Agencies, "fresh", staticmethod(renew), raising=False)
    deep = pytestconfig.getoption("--long")
    how = settings(
        max_examples=400 if deep else 12,
        stateful_step_count=60 if deep else 40,
        deadline=None,
        # Making a failure smaller takes minutes: worth it only where there are hours.
        phases=list(Phase) if deep else [Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Agencies, settings=how)  # type: ignore[no-untyped-call]
