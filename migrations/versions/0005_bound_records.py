"""bound records

Revision ID: 0005
Revises: 0004
Create Date: 2026-11-30 07:52:11.401822

"""
import hashlib
import json
import secrets
from datetime import UTC, date, datetime
from uuid import UUID

import sqlalchemy as sa
from alembic import op

# revision identifiers, used by Alembic.
revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None

# As docs/audit-log.md had it at this revision: which records are bound, with the tables of their parts
# (table, column that names the record, table between, its column), and what must be there before one is bound.
BOUND = {
    "person": ((), ""),
    "staff": ((), ""),
    "membership": ((), ""),
    "consent": ((("consent_category", "consent_id", "", ""), ("consent_recipient", "consent_id", "", "")), ""),
    "withdrawal": ((), ""),
    "disclosure": ((("disclosure_category", "disclosure_id", "", ""),), ""),
    "stop_confirmation": ((), ""),
    "exclusion": ((), ""),
    "emergency_access": ((), ""),
    "referral": ((("referral_category", "referral_id", "", ""), ("referral_goal", "referral_id", "", "")), ""),
    "referral_event": ((), ""),
    "attendance": ((), ""),
    "meeting": (
        (
            ("agenda_item", "meeting_id", "", ""),
            ("agenda_item_category", "item_id", "agenda_item", "meeting_id"),
            ("meeting_member", "meeting_id", "", ""),
        ),
        "approved_at",
    ),
    "meeting_outcome": ((), ""),
    "addendum": ((), ""),
    "evaluation_closing": ((), ""),
    "evaluation_addendum": ((), ""),
}
DERIVED = {"evaluation_closing": {"frozen"}}
AT_ONCE = 500


def upgrade():
    op.create_table('record_salt',
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('record_id', sa.Uuid(), nullable=False),
    sa.Column('salt', sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint('kind', 'record_id', name=op.f('pk_record_salt'))
    )
    bind_what_is_there(op.get_bind())


def downgrade():
    """The log keeps its entries `log:bound`, which an older program does not know.

    Raises:
        RuntimeError: records are bound: go back by restoring the backup made before the upgrade.
    """
    if op.get_bind().scalar(sa.text("SELECT count(*) FROM record_salt")):
        raise RuntimeError("records are bound in the log: go back by restoring the backup made before the upgrade")
    op.drop_table('record_salt')


def bind_what_is_there(connection):
    """Entries `log:bound` for all records that there are, found as they are: what came before is not vouched for."""
    tables = {}
    for kind, (parts, _once) in BOUND.items():
        for name in {kind, *(part[0] for part in parts), *(part[2] for part in parts if part[2])}:
            if name not in tables:
                tables[name] = sa.Table(name, sa.MetaData(), autoload_with=connection, resolve_fks=False)
    seq = connection.scalar(sa.text("SELECT seq FROM audit_head"))
    first, lines, salts = seq, [], []
    for kind in sorted(BOUND):
        for key, digest, salt in digests(connection, tables, kind):
            lines.append(f"{kind}:{key}:-:{digest}")
            salts.append({"kind": kind, "record_id": UUID(key), "salt": salt})
            if len(lines) == AT_ONCE:
                seq = write(connection, seq, lines, salts)
    if lines:
        seq = write(connection, seq, lines, salts)
    if seq != first:
        connection.execute(sa.text("UPDATE audit_head SET seq = :seq"), {"seq": seq})


def digests(connection, tables, kind):
    parts, once = BOUND[kind]
    of_record = {}
    for name, owner, through, through_owner in parts:
        table = tables[name]
        statement, names = sa.select(table), sorted(column.name for column in table.columns)
        key_of = table.c[owner]
        if through:
            between = tables[through]
            statement = statement.join(between, between.c.id == table.c[owner])
            key_of = between.c[through_owner]
        for row in connection.execute(statement.add_columns(key_of.label("owner_of_part"))).mappings():
            of_record.setdefault(text_of(row["owner_of_part"]), []).append(state_of(name, row, names))
    table = tables[kind]
    names = sorted({column.name for column in table.columns} - DERIVED.get(kind, set()))
    statement = sa.select(table).order_by(table.c.id)
    if once:
        statement = statement.where(table.c[once].is_not(None))
    for row in connection.execute(statement).mappings().all():
        salt, key = secrets.token_bytes(32), text_of(row["id"])
        whole = state_of(kind, row, names) + b"".join(sorted(of_record.get(key, ())))
        yield key, hashlib.sha256(salt + whole).hexdigest(), salt


def state_of(table, row, names):
    cells = b""
    for name in names:
        if text := text_of(row[name]).encode():
            cells += b"%s=%d:%s;" % (name.encode(), len(text), text)
    return b"%s{%s}" % (table.encode(), cells)


def text_of(value):
    """SQLite gives back ids as 32 digits and times in UTC without a zone."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, UUID):
        return value.hex
    if isinstance(value, datetime):
        moment = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        return moment.isoformat(" ", "microseconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list | dict):
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return str(value)


ENTRY = sa.table(
    "audit_entry",
    sa.column("seq", sa.BigInteger()),
    sa.column("at", sa.DateTime(timezone=True)),
    sa.column("event", sa.Text()),
    sa.column("body", sa.LargeBinary()),
)
SALT = sa.table(
    "record_salt",
    sa.column("kind", sa.Text()),
    sa.column("record_id", sa.Uuid()),
    sa.column("salt", sa.LargeBinary()),
)


def write(connection, seq, lines, salts):
    """One entry, and the salts of the records in it; both lists are empty afterwards."""
    now = datetime.now(UTC)
    body = {
        "v": 2,
        "seq": seq + 1,
        "at": now.isoformat(timespec="microseconds"),
        "event": "log:bound",
        "outcome": "allow",
        "staff": None,
        "agency": None,
        "role": None,
        "object": [None, None],
        "subject": None,
        "categories": [],
        "ground": None,
        "channel": "command",
        "request": "",
        "bucket": None,
        "commitment": None,
        "sealed": None,
        "fact": {"records": list(lines)},
    }
    stored = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    connection.execute(sa.insert(ENTRY).values(seq=seq + 1, at=now, event="log:bound", body=stored))
    connection.execute(sa.insert(SALT), list(salts))
    lines.clear()
    salts.clear()
    return seq + 1
