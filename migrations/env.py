"""Run migrations on the portal's own writer engine."""

import logging
from importlib import import_module
from pathlib import Path

from alembic import context
from flask import current_app

from portal.core.database_file import make_file
from portal.wall.postgresql import put_up, take_down

logger = logging.getLogger("alembic.env")
target = current_app.extensions["migrate"].db

# A table that no page uses yet is compared too.
portal = Path(current_app.root_path)
for models in portal.rglob("models.py"):
    import_module(".".join(models.relative_to(portal.parent).with_suffix("").parts))


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
