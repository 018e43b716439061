"""the week as it is worked

Revision ID: 0006
Revises: 0005
Create Date: 2026-11-30 21:42:38.605934

"""
import sqlalchemy as sa
from alembic import op

# revision identifiers, used by Alembic.
revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None

ADDED = (
    ("to_agency_id", "number", "id"),
    ("from_agency_id", "number", "id"),
    ("from_agency_id", "to_agency_id", "listed_at", "id"),
)


def upgrade():
    op.create_table('absence',
    sa.Column('staff_id', sa.Uuid(), nullable=False),
    sa.Column('starts_on', sa.Date(), nullable=False),
    sa.Column('until', sa.Date(), nullable=False),
    sa.CheckConstraint('starts_on <= until', name=op.f('ck_absence_days')),
    sa.ForeignKeyConstraint(['staff_id'], ['staff.id'], name=op.f('fk_absence_staff_id_staff')),
    sa.PrimaryKeyConstraint('staff_id', name=op.f('pk_absence'))
    )
    op.create_table('referral_reading',
    sa.Column('referral_id', sa.Uuid(), nullable=False),
    sa.Column('staff_id', sa.Uuid(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['referral_id'], ['referral.id'], name=op.f('fk_referral_reading_referral_id_referral')),
    sa.ForeignKeyConstraint(['staff_id'], ['staff.id'], name=op.f('fk_referral_reading_staff_id_staff')),
    sa.PrimaryKeyConstraint('referral_id', 'staff_id', name=op.f('pk_referral_reading'))
    )
    key = 'fk_referral_sender_worker_id_staff'
    if op.get_bind().dialect.name == 'sqlite':
        # Beside the table: copying it, as a batch does, would cost what it weighs.
        op.execute(f'ALTER TABLE referral ADD COLUMN sender_worker_id CHAR(32) CONSTRAINT {key} REFERENCES staff (id)')
    else:
        op.add_column('referral', sa.Column('sender_worker_id', sa.Uuid(), nullable=True))
        op.create_foreign_key(op.f(key), 'referral', 'staff', ['sender_worker_id'], ['id'])

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

    for columns in ADDED:
        op.create_index(op.f(f"ix_referral_{'_'.join(columns)}"), "referral", list(columns))

    # NULL everywhere: what is bound in the log keeps its digest, and old minutes keep what their readers saw.
    op.add_column('agenda_item', sa.Column('number', sa.Integer(), nullable=True))
    op.add_column('agenda_item', sa.Column('waiting_since', sa.DateTime(timezone=True), nullable=True))
    op.add_column('agenda_item', sa.Column('revision', sa.Integer(), nullable=True))
    op.add_column('agenda_item', sa.Column('revised_at', sa.DateTime(timezone=True), nullable=True))


def downgrade():
    for name in ('revised_at', 'revision', 'waiting_since', 'number'):
        op.drop_column('agenda_item', name)

    for columns in ADDED:
        op.drop_index(op.f(f"ix_referral_{'_'.join(columns)}"), table_name="referral")

    op.drop_table('agenda_item_reason')
    with op.batch_alter_table('meeting_series_regular', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_meeting_series_regular_staff_id'))

    op.drop_table('meeting_series_regular')

    op.drop_column('referral', 'sender_worker_id')

    op.drop_table('referral_reading')
    op.drop_table('absence')
