"""meetings

Revision ID: 0002
Revises: 0001
Create Date: 2026-11-23 10:16:56.966241

"""
import sqlalchemy as sa
from alembic import op

# revision identifiers, used by Alembic.
revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade():
    op.create_table('calendar_link',
    sa.Column('staff_id', sa.Uuid(), nullable=False),
    sa.Column('token_hash', sa.Text(), nullable=False),
    sa.Column('renewed_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['staff_id'], ['staff.id'], name=op.f('fk_calendar_link_staff_id_staff')),
    sa.PrimaryKeyConstraint('staff_id', name=op.f('pk_calendar_link')),
    sa.UniqueConstraint('token_hash', name=op.f('uq_calendar_link_token_hash'))
    )
    op.create_table('meeting_series',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('convener_id', sa.Uuid(), nullable=False),
    sa.Column('kind', sa.Enum('weekly', 'coordination', 'statutory', 'case_study', 'other', name='meetingkind', native_enum=False, length=40), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('rule', sa.Text(), nullable=False),
    sa.Column('starts_on', sa.Date(), nullable=False),
    sa.Column('begins', sa.Time(), nullable=False),
    sa.Column('minutes', sa.Integer(), nullable=False),
    sa.Column('closed_day', sa.Enum('skip', 'before', 'after', name='closedday', native_enum=False, length=40), nullable=False),
    sa.Column('place', sa.Text(), nullable=False),
    sa.Column('link', sa.Text(), nullable=False),
    sa.Column('presenter_agency_id', sa.Uuid(), nullable=False),
    sa.Column('ended_on', sa.Date(), nullable=True),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.CheckConstraint('minutes > 0', name=op.f('ck_meeting_series_length')),
    sa.ForeignKeyConstraint(['convener_id'], ['agency.id'], name=op.f('fk_meeting_series_convener_id_agency')),
    sa.ForeignKeyConstraint(['presenter_agency_id'], ['agency.id'], name=op.f('fk_meeting_series_presenter_agency_id_agency')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_meeting_series'))
    )
    with op.batch_alter_table('meeting_series', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_meeting_series_convener_id'), ['convener_id'], unique=False)

    op.create_table('meeting',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('series_id', sa.Uuid(), nullable=True),
    sa.Column('slot', sa.Date(), nullable=True),
    sa.Column('convener_id', sa.Uuid(), nullable=False),
    sa.Column('kind', sa.Enum('weekly', 'coordination', 'statutory', 'case_study', 'other', name='meetingkind', native_enum=False, length=40), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('starts_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('minutes', sa.Integer(), nullable=False),
    sa.Column('place', sa.Text(), nullable=False),
    sa.Column('link', sa.Text(), nullable=False),
    sa.Column('presenter_agency_id', sa.Uuid(), nullable=False),
    sa.Column('status', sa.Enum('draft', 'announced', 'in_session', 'minuted', 'approved', 'cancelled', name='meetingstatus', native_enum=False, length=40), nullable=False),
    sa.Column('announced_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('begun_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('closed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('approved_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('cancelled_why', sa.Text(), nullable=False),
    sa.Column('calendar_sequence', sa.Integer(), nullable=False),
    sa.Column('is_moved', sa.Boolean(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.CheckConstraint('minutes > 0', name=op.f('ck_meeting_length')),
    sa.ForeignKeyConstraint(['convener_id'], ['agency.id'], name=op.f('fk_meeting_convener_id_agency')),
    sa.ForeignKeyConstraint(['presenter_agency_id'], ['agency.id'], name=op.f('fk_meeting_presenter_agency_id_agency')),
    sa.ForeignKeyConstraint(['series_id'], ['meeting_series.id'], name=op.f('fk_meeting_series_id_meeting_series')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_meeting')),
    sa.UniqueConstraint('series_id', 'slot', name=op.f('uq_meeting_series_id_slot'))
    )
    with op.batch_alter_table('meeting', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_meeting_convener_id_starts_at'), ['convener_id', 'starts_at'], unique=False)
        batch_op.create_index(batch_op.f('ix_meeting_series_id_starts_at'), ['series_id', 'starts_at'], unique=False)

    op.create_table('meeting_series_member',
    sa.Column('series_id', sa.Uuid(), nullable=False),
    sa.Column('agency_id', sa.Uuid(), nullable=False),
    sa.ForeignKeyConstraint(['agency_id'], ['agency.id'], name=op.f('fk_meeting_series_member_agency_id_agency')),
    sa.ForeignKeyConstraint(['series_id'], ['meeting_series.id'], name=op.f('fk_meeting_series_member_series_id_meeting_series')),
    sa.PrimaryKeyConstraint('series_id', 'agency_id', name=op.f('pk_meeting_series_member'))
    )
    with op.batch_alter_table('meeting_series_member', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_meeting_series_member_agency_id'), ['agency_id'], unique=False)

    op.create_table('attendance',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('meeting_id', sa.Uuid(), nullable=False),
    sa.Column('agency_id', sa.Uuid(), nullable=True),
    sa.Column('staff_id', sa.Uuid(), nullable=True),
    sa.Column('guest_name', sa.Text(), nullable=False),
    sa.Column('guest_from', sa.Text(), nullable=False),
    sa.Column('was_there', sa.Boolean(), nullable=False),
    sa.Column('secrecy_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('on_paper', sa.Boolean(), nullable=False),
    sa.CheckConstraint("(staff_id IS NULL) = (guest_name <> '')", name=op.f('ck_attendance_staff_or_guest')),
    sa.ForeignKeyConstraint(['agency_id'], ['agency.id'], name=op.f('fk_attendance_agency_id_agency')),
    sa.ForeignKeyConstraint(['meeting_id'], ['meeting.id'], name=op.f('fk_attendance_meeting_id_meeting')),
    sa.ForeignKeyConstraint(['staff_id'], ['staff.id'], name=op.f('fk_attendance_staff_id_staff')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_attendance')),
    sa.UniqueConstraint('meeting_id', 'staff_id', name=op.f('uq_attendance_meeting_id_staff_id'))
    )
    with op.batch_alter_table('attendance', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_attendance_staff_id'), ['staff_id'], unique=False)

    op.create_table('meeting_member',
    sa.Column('meeting_id', sa.Uuid(), nullable=False),
    sa.Column('agency_id', sa.Uuid(), nullable=False),
    sa.ForeignKeyConstraint(['agency_id'], ['agency.id'], name=op.f('fk_meeting_member_agency_id_agency')),
    sa.ForeignKeyConstraint(['meeting_id'], ['meeting.id'], name=op.f('fk_meeting_member_meeting_id_meeting')),
    sa.PrimaryKeyConstraint('meeting_id', 'agency_id', name=op.f('pk_meeting_member'))
    )
    with op.batch_alter_table('meeting_member', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_meeting_member_agency_id'), ['agency_id'], unique=False)

    op.create_table('local_issue',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('agency_id', sa.Uuid(), nullable=False),
    sa.Column('raised_by_id', sa.Uuid(), nullable=False),
    sa.Column('follow_up_id', sa.Uuid(), nullable=True),
    sa.Column('code', sa.Text(), nullable=False),
    sa.Column('text', sa.Text(), nullable=False),
    sa.Column('status', sa.Enum('open', 'discussed', 'passed_on', 'resolved', 'shelved', name='issuestatus', native_enum=False, length=40), nullable=False),
    sa.Column('result', sa.Text(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['agency_id'], ['agency.id'], name=op.f('fk_local_issue_agency_id_agency')),
    sa.ForeignKeyConstraint(['follow_up_id'], ['follow_up.id'], name=op.f('fk_local_issue_follow_up_id_follow_up')),
    sa.ForeignKeyConstraint(['raised_by_id'], ['staff.id'], name=op.f('fk_local_issue_raised_by_id_staff')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_local_issue')),
    sa.UniqueConstraint('follow_up_id', name=op.f('uq_local_issue_follow_up_id'))
    )
    with op.batch_alter_table('local_issue', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_local_issue_agency_id'), ['agency_id'], unique=False)

    op.create_table('agenda_item',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('meeting_id', sa.Uuid(), nullable=False),
    sa.Column('kind', sa.Enum('minutes', 'plan_check', 'roles', 'end_evaluation', 'local_issue', 'report_afterwards', 'handoff', 'consent', 'action', 'case', 'information', name='itemkind', native_enum=False, length=40), nullable=False),
    sa.Column('source', sa.Enum('hand', 'minutes', 'carried', 'action', 'overdue', 'refused', 'stopped', 'new_referral', 'noted', 'lapsing', 'goals', 'afterwards', 'ended', 'local_issue', name='source', native_enum=False, length=40), nullable=False),
    sa.Column('subject_id', sa.Uuid(), nullable=True),
    sa.Column('person_id', sa.Uuid(), nullable=True),
    sa.Column('referral_id', sa.Uuid(), nullable=True),
    sa.Column('issue_id', sa.Uuid(), nullable=True),
    sa.Column('outcome_id', sa.Uuid(), nullable=True),
    sa.Column('brought_by_id', sa.Uuid(), nullable=False),
    sa.Column('shared', sa.Boolean(), nullable=False),
    sa.Column('shared_by_id', sa.Uuid(), nullable=True),
    sa.Column('title', sa.Text(), nullable=False),
    sa.Column('text', sa.Text(), nullable=False),
    sa.Column('reason_on', sa.Date(), nullable=True),
    sa.Column('reason_count', sa.Integer(), nullable=False),
    sa.Column('presenter_agency_id', sa.Uuid(), nullable=False),
    sa.Column('minutes', sa.Integer(), nullable=False),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.Column('is_touched', sa.Boolean(), nullable=False),
    sa.Column('removed_why', sa.Text(), nullable=False),
    sa.Column('removed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('postponed_why', sa.Text(), nullable=False),
    sa.Column('postponed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('minutes_text', sa.Text(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.CheckConstraint('minutes >= 0', name=op.f('ck_agenda_item_minutes')),
    sa.ForeignKeyConstraint(['brought_by_id'], ['agency.id'], name=op.f('fk_agenda_item_brought_by_id_agency')),
    sa.ForeignKeyConstraint(['issue_id'], ['local_issue.id'], name=op.f('fk_agenda_item_issue_id_local_issue')),
    sa.ForeignKeyConstraint(['meeting_id'], ['meeting.id'], name=op.f('fk_agenda_item_meeting_id_meeting')),
    sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_agenda_item_person_id_person')),
    sa.ForeignKeyConstraint(['presenter_agency_id'], ['agency.id'], name=op.f('fk_agenda_item_presenter_agency_id_agency')),
    sa.ForeignKeyConstraint(['referral_id'], ['referral.id'], name=op.f('fk_agenda_item_referral_id_referral')),
    sa.ForeignKeyConstraint(['shared_by_id'], ['staff.id'], name=op.f('fk_agenda_item_shared_by_id_staff')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_agenda_item')),
    sa.UniqueConstraint('meeting_id', 'subject_id', name=op.f('uq_agenda_item_meeting_id_subject_id'))
    )
    with op.batch_alter_table('agenda_item', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_agenda_item_meeting_id_position'), ['meeting_id', 'position'], unique=False)
        batch_op.create_index(batch_op.f('ix_agenda_item_person_id'), ['person_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_agenda_item_subject_id'), ['subject_id'], unique=False)

    op.create_table('addendum',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('meeting_id', sa.Uuid(), nullable=False),
    sa.Column('item_id', sa.Uuid(), nullable=True),
    sa.Column('staff_id', sa.Uuid(), nullable=False),
    sa.Column('text', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['item_id'], ['agenda_item.id'], name=op.f('fk_addendum_item_id_agenda_item')),
    sa.ForeignKeyConstraint(['meeting_id'], ['meeting.id'], name=op.f('fk_addendum_meeting_id_meeting')),
    sa.ForeignKeyConstraint(['staff_id'], ['staff.id'], name=op.f('fk_addendum_staff_id_staff')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_addendum'))
    )
    with op.batch_alter_table('addendum', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_addendum_meeting_id_id'), ['meeting_id', 'id'], unique=False)

    op.create_table('agenda_item_category',
    sa.Column('item_id', sa.Uuid(), nullable=False),
    sa.Column('category', sa.Enum('basic', 'health', 'work_education', 'finances', 'benefits', 'life_history', name='category', native_enum=False, length=40), nullable=False),
    sa.ForeignKeyConstraint(['item_id'], ['agenda_item.id'], name=op.f('fk_agenda_item_category_item_id_agenda_item')),
    sa.PrimaryKeyConstraint('item_id', 'category', name=op.f('pk_agenda_item_category'))
    )
    op.create_table('meeting_outcome',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('item_id', sa.Uuid(), nullable=False),
    sa.Column('kind', sa.Enum('information', 'decision', 'action', name='outcomekind', native_enum=False, length=40), nullable=False),
    sa.Column('text', sa.Text(), nullable=False),
    sa.Column('owner_agency_id', sa.Uuid(), nullable=True),
    sa.Column('owner_staff_id', sa.Uuid(), nullable=True),
    sa.Column('due_on', sa.Date(), nullable=True),
    sa.Column('referral_id', sa.Uuid(), nullable=True),
    sa.Column('referral_step', sa.Enum('send', 'accept', 'reject', 'start', 'hold', 'complete', 'fail', 'cancel', 'correct', name='referralaction', native_enum=False, length=40), nullable=True),
    sa.Column('to_agency_id', sa.Uuid(), nullable=True),
    sa.Column('noted_by_id', sa.Uuid(), nullable=False),
    sa.Column('done_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('done_by_id', sa.Uuid(), nullable=True),
    sa.Column('done_note', sa.Text(), nullable=False),
    sa.Column('struck_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.CheckConstraint("kind <> 'action' OR due_on IS NOT NULL", name=op.f('ck_meeting_outcome_action_is_due')),
    sa.CheckConstraint("kind <> 'action' OR owner_agency_id IS NOT NULL", name=op.f('ck_meeting_outcome_action_has_owner')),
    sa.ForeignKeyConstraint(['done_by_id'], ['staff.id'], name=op.f('fk_meeting_outcome_done_by_id_staff')),
    sa.ForeignKeyConstraint(['item_id'], ['agenda_item.id'], name=op.f('fk_meeting_outcome_item_id_agenda_item')),
    sa.ForeignKeyConstraint(['noted_by_id'], ['staff.id'], name=op.f('fk_meeting_outcome_noted_by_id_staff')),
    sa.ForeignKeyConstraint(['owner_agency_id'], ['agency.id'], name=op.f('fk_meeting_outcome_owner_agency_id_agency')),
    sa.ForeignKeyConstraint(['owner_staff_id'], ['staff.id'], name=op.f('fk_meeting_outcome_owner_staff_id_staff')),
    sa.ForeignKeyConstraint(['referral_id'], ['referral.id'], name=op.f('fk_meeting_outcome_referral_id_referral')),
    sa.ForeignKeyConstraint(['to_agency_id'], ['agency.id'], name=op.f('fk_meeting_outcome_to_agency_id_agency')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_meeting_outcome'))
    )
    with op.batch_alter_table('meeting_outcome', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_meeting_outcome_item_id'), ['item_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_meeting_outcome_owner_agency_id_done_at_due_on'), ['owner_agency_id', 'done_at', 'due_on'], unique=False)

    op.create_table('minutes_revision',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('item_id', sa.Uuid(), nullable=False),
    sa.Column('staff_id', sa.Uuid(), nullable=False),
    sa.Column('text', sa.Text(), nullable=False),
    sa.Column('based_on', sa.Integer(), nullable=False),
    sa.Column('is_refused', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['item_id'], ['agenda_item.id'], name=op.f('fk_minutes_revision_item_id_agenda_item')),
    sa.ForeignKeyConstraint(['staff_id'], ['staff.id'], name=op.f('fk_minutes_revision_staff_id_staff')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_minutes_revision'))
    )
    with op.batch_alter_table('minutes_revision', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_minutes_revision_item_id_id'), ['item_id', 'id'], unique=False)

    # Not in a batch: SQLite would rebuild the tables and lose their triggers.
    op.add_column('case_goal', sa.Column('review_on', sa.Date(), nullable=True))
    op.add_column('disclosure', sa.Column('to_staff_id', sa.Uuid(), nullable=True))
    for name, (table, act) in APPEND_ONLY.items():
        forbid(name, table, act)
    # What was noted as a local issue so far becomes one that meetings can take up.
    op.execute(
        "INSERT INTO local_issue (id, created_at, agency_id, raised_by_id, follow_up_id, code, text, status, result, version) "
        "SELECT id, created_at, agency_id, noted_by_id, id, code, text, 'open', '', 1 FROM follow_up WHERE kind = 'local_issue'"
    )


# What was written stays as it was written, and whom a line of the ledger told stays who it was.
APPEND_ONLY = {
    "no_update_to_staff_disclosure": ("disclosure", "UPDATE OF to_staff_id"),
    "no_update_minutes_revision": ("minutes_revision", "UPDATE"),
    "no_delete_minutes_revision": ("minutes_revision", "DELETE"),
    "no_update_addendum": ("addendum", "UPDATE"),
    "no_delete_addendum": ("addendum", "DELETE"),
}


def forbid(name, table, act):
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            f"CREATE TRIGGER {name} BEFORE {act} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )
        return
    op.execute(f"CREATE TRIGGER {name} BEFORE {act} ON {table} FOR EACH ROW EXECUTE FUNCTION append_only()")
    if act == "DELETE":
        op.execute(
            f"CREATE TRIGGER no_truncate_{table} BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION append_only()"
        )


def downgrade():
    where = " ON disclosure" if op.get_bind().dialect.name == "postgresql" else ""
    op.execute(f"DROP TRIGGER no_update_to_staff_disclosure{where}")
    op.drop_column('disclosure', 'to_staff_id')
    op.drop_column('case_goal', 'review_on')
    with op.batch_alter_table('minutes_revision', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_minutes_revision_item_id_id'))

    op.drop_table('minutes_revision')
    with op.batch_alter_table('meeting_outcome', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_meeting_outcome_owner_agency_id_done_at_due_on'))
        batch_op.drop_index(batch_op.f('ix_meeting_outcome_item_id'))

    op.drop_table('meeting_outcome')
    op.drop_table('agenda_item_category')
    with op.batch_alter_table('addendum', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_addendum_meeting_id_id'))

    op.drop_table('addendum')
    with op.batch_alter_table('agenda_item', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_agenda_item_subject_id'))
        batch_op.drop_index(batch_op.f('ix_agenda_item_person_id'))
        batch_op.drop_index(batch_op.f('ix_agenda_item_meeting_id_position'))

    op.drop_table('agenda_item')
    with op.batch_alter_table('local_issue', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_local_issue_agency_id'))

    op.drop_table('local_issue')
    with op.batch_alter_table('meeting_member', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_meeting_member_agency_id'))

    op.drop_table('meeting_member')
    with op.batch_alter_table('attendance', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_attendance_staff_id'))

    op.drop_table('attendance')
    with op.batch_alter_table('meeting_series_member', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_meeting_series_member_agency_id'))

    op.drop_table('meeting_series_member')
    with op.batch_alter_table('meeting', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_meeting_series_id_starts_at'))
        batch_op.drop_index(batch_op.f('ix_meeting_convener_id_starts_at'))

    op.drop_table('meeting')
    with op.batch_alter_table('meeting_series', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_meeting_series_convener_id'))

    op.drop_table('meeting_series')
    op.drop_table('calendar_link')
