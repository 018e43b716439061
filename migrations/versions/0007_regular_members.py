"""regular members of a series, and further reasons of an agenda item

Revision ID: 0007
Revises: 0006
Create Date: 2026-11-30 21:56:00.000000

"""
import sqlalchemy as sa
from alembic import op

# revision identifiers, used by Alembic.
revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None


def upgrade():
    op.create_table('meeting_series_regular',
    sa.Column('series_id', sa.Uuid(), nullable=False),
    sa.Column('staff_id', sa.Uuid(), nullable=False),
    sa.Column('agency_id', sa.Uuid(), nullable=False),
    sa.ForeignKeyConstraint(['agency_id'], ['agency.id'], name=op.f('fk_meeting_series_regular_agency_id_agency')),
    sa.ForeignKeyConstraint(['series_id'], ['meeting_series.id'], name=op.f('fk_meeting_series_regular_series_id_meeting_series')),
    sa.ForeignKeyConstraint(['staff_id'], ['staff.id'], name=op.f('fk_meeting_series_regular_staff_id_staff')),
    sa.PrimaryKeyConstraint('series_id', 'staff_id', name=op.f('pk_meeting_series_regular'))
    )
    with op.batch_alter_table('meeting_series_regular', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_meeting_series_regular_staff_id'), ['staff_id'], unique=False)

    op.create_table('agenda_item_reason',
    sa.Column('item_id', sa.Uuid(), nullable=False),
    sa.Column('source', sa.Enum('hand', 'minutes', 'carried', 'action', 'overdue', 'refused', 'stopped', 'new_referral', 'noted', 'lapsing', 'goals', 'afterwards', 'ended', 'local_issue', 'activities', name='source', native_enum=False, length=40), nullable=False),
    sa.Column('subject_id', sa.Uuid(), nullable=False),
    sa.Column('reason_on', sa.Date(), nullable=True),
    sa.Column('reason_count', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['item_id'], ['agenda_item.id'], name=op.f('fk_agenda_item_reason_item_id_agenda_item')),
    sa.PrimaryKeyConstraint('item_id', 'source', 'subject_id', name=op.f('pk_agenda_item_reason'))
    )


def downgrade():
    op.drop_table('agenda_item_reason')
    with op.batch_alter_table('meeting_series_regular', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_meeting_series_regular_staff_id'))

    op.drop_table('meeting_series_regular')
