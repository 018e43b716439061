"""Every page of the URL map, as each reader sees it and at both widths: nothing that axe calls wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import time_machine
from flask import Flask
from playwright.sync_api import Browser as Chromium

from portal.db import db
from tests.browser import axe, paths
from tests.browser.conftest import DESKTOP, PHONE, SIZES, sign_in
from tests.browser.demo import NOON, Demo, client_of, demo_at
from tests.browser.paths import Found
from tests.browser.watch import Watch
from tests.conftest import NOWHERE
from tests.databases import Databases

# Who of the demo opens the pages; None is a stranger. The first one is shown every page that he may open.
READERS = ("madoguchi", "junbi", "shuro-kanri", "kansa", "kanri", None)


@pytest.fixture(scope="module")
def demo(_application: Flask, _sqlite: Databases) -> Iterator[Demo]:
    with demo_at(_application, _sqlite) as demo:
        yield demo


@pytest.fixture(scope="module")
def addresses(_application: Flask, demo: Demo) -> Iterator[dict[str | None, list[Found]]]:
    """For each reader the pages that he is to be shown."""
    db.bind(demo.url)
    with time_machine.travel(NOON):
        yield {
            name: paths.found(_application, client_of(_application, demo, name and demo.somebody(name)))
            for name in READERS
        }
    db.bind(NOWHERE)
