"""numbers and revisions of agenda items

Revision ID: 0009
Revises: 0008
Create Date: 2026-11-30 21:50:00.000000

"""
import sqlalchemy as sa
from alembic import op

# revision identifiers, used by Alembic.
revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None


def upgrade():
    # NULL everywhere: what is bound in the log keeps its digest, and old minutes keep what their readers saw.
    op.add_column('agenda_item', sa.Column('number', sa.Integer(), nullable=True))
    op.add_column('agenda_item', sa.Column('waiting_since', sa.DateTime(timezone=True), nullable=True))
    op.add_column('agenda_item', sa.Column('revision', sa.Integer(), nullable=True))
    op.add_column('agenda_item', sa.Column('revised_at', sa.DateTime(timezone=True), nullable=True))


def downgrade():
    for name in ('revised_at', 'revision', 'waiting_since', 'number'):
        op.drop_column('agenda_item', name)
