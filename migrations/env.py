"""Run migrations on the portal's own writer engine."""

import logging
from importlib import import_module
from pathlib import Path

from alembic import context
from flask import current_app

from portal.database_file import make_file
from portal.second_wall_postgresql import put_up, take_down

logger = logging.getLogger("alembic.env")
target = current_app.extensions["migrate"].db

# A table that no page uses yet is compared too.
for models in (Path(current_app.root_path)).glob("*/models.py"):
    import_module(f"portal.{models.parent.name}.models")


def run() -> None:
    options = current_app.extensions["migrate"].configure_args
    make_file(target.engine.url)
    with target.engine.connect() as connection:
        context.configure(connection=connection, target_metadata=target.metadata, **options)
        with context.begin_transaction():
            take_down(connection)
            context.run_migrations()
            put_up(connection)
    target.engine.dispose()  # the last connection to close puts the write-ahead log into the file


run()
