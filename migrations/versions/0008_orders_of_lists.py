"""orders of lists

Revision ID: 0008
Revises: 0007
Create Date: 2026-11-30 21:50:00.000000

"""

from alembic import op

# revision identifiers, used by Alembic.
revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None

ADDED = (
    ("to_agency_id", "number", "id"),
    ("from_agency_id", "number", "id"),
    ("from_agency_id", "to_agency_id", "listed_at", "id"),
)


def upgrade():
    for columns in ADDED:
        op.create_index(op.f(f"ix_referral_{'_'.join(columns)}"), "referral", list(columns))


def downgrade():
    for columns in ADDED:
        op.drop_index(op.f(f"ix_referral_{'_'.join(columns)}"), table_name="referral")
