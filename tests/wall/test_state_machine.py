"""Whatever the agencies do, and in whatever order, the wall stands after every step, and the log verifies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.audit.worlds import World
from tests.wall.machine_watch import Agencies
from verify_audit import SOUND

pytestmark = pytest.mark.both_databases


def test_the_wall_stands_whatever_the_agencies_do(
    app: Flask,
    renew: Callable[[], str],
    pytestconfig: pytest.Config,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    def verify() -> None:
        result = World(app, tmp_path).verdict()
        assert result.exit == SOUND, result.text

    monkeypatch.setattr(Agencies, "fresh", staticmethod(renew), raising=False)
    monkeypatch.setattr(Agencies, "verify", staticmethod(verify), raising=False)
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
