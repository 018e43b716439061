"""mine and ours: who has read, who is away, who took a referral over

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


def downgrade():
    op.drop_column('referral', 'sender_worker_id')

    op.drop_table('referral_reading')
    op.drop_table('absence')
