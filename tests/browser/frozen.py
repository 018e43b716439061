"""The portal at a moment that stands in FROZEN_AT: for pictures that do not change with the day."""

import os
from importlib import import_module

import time_machine

time_machine.travel(os.environ["FROZEN_AT"], tick=True).start()
app = import_module("wsgi").app
