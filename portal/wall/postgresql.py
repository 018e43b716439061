"""The second wall on PostgreSQL: a schema of views, a role that has nothing else, and row-level security behind them."""

# ruff: noqa: S608 - made of our own rules and names, and of nothing that anybody typed

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection

from portal.wall import rules
from portal.wall.columns import shown
from portal.wall.functions import Functions
from portal.wall.tables import RULES
from portal.wall.text import columns_of, text_of

logger = logging.getLogger(__name__)
READER, OWNER, SCHEMA = "tsunagu_reader", "tsunagu_wall", "wall"
KINDS = dict.fromkeys(("staff", "agency", "office", "admin", "convener"), "uuid") | {
    "now": "timestamptz",
    "today": "date",
    "token": "text",
}
FLAGS = ("auditor", "sysadmin")
OUT = "coalesce(current_setting('tsunagu.excluded', true), '')"
PLAIN = re.compile(r"[0-9A-Za-z:. +-]*")
# A page reads, in one statement, and does not say who reads.
READING = re.compile(r"\s*(SELECT|WITH)\b", re.IGNORECASE)
ROUND = re.compile(
    r"""; | \bU&["'] | \bset_config\b | \bcurrent_setting\b | \bsearch_path\b | _to_xml | \bxmlparse\b | \bts_stat\b
    | \bts_rewrite\b | \bdblink | \bwall_rule_ | \blo_\w+ | \bpg_\w+ | \btsunagu\b | \bpublic\s*["]?\s*\. | \binformation_schema\b""",
    re.IGNORECASE | re.VERBOSE,
)


def goes_round(statement: str) -> bool:
    """Whether the statement is anything but one plain query."""
    return not READING.match(statement) or ROUND.search(statement.rstrip().removesuffix(";")) is not None


def value(name: str, about: str) -> str:
    """The SQL by which a view asks who reads; NULL where nobody was named."""
    if name == "unhindered":
        return f"{OUT} = ''"
    if name == "excluded":
        return f"{about} = ANY (string_to_array({OUT}, ',')::uuid[])"
    if name in FLAGS:
        return f"coalesce(current_setting('tsunagu.{name}', true) = '1', false)"
    return f"nullif(current_setting('tsunagu.{name}', true), '')::{KINDS[name]}"


def introduction(values: Mapping[str, Any], *, has_role: bool) -> str:
    """The statement that names the reader for this transaction, at whose end all of it is forgotten."""
    # Planning a statement through the views takes longer than running it: once on each connection is enough.
    said = ["SET LOCAL jit TO off", "SET LOCAL plan_cache_mode TO force_generic_plan"]
    said.append(f"SET LOCAL search_path TO {SCHEMA}, pg_temp")
    if has_role:
        said.append(f"SET LOCAL ROLE {READER}")
    for name in (*FLAGS, *KINDS):
        given = values[name]
        text = "" if given is None else f"{given}+00" if name == "now" else str(given)
        assert PLAIN.fullmatch(text), name  # noqa: S101 - ids, dates and hashes
        said.append(f"SET LOCAL tsunagu.{name} TO '{text}'")
    said.append(EXCLUDED_NOW)  # asked once for all that follows
    return "; ".join(said)


# For the administrator of the database, once: see docs/operations.md.
ADVICE = (
    "第二の壁の役割がありません。データベースの管理者に、次の実行を頼み、もう一度 flask db upgrade を実行してください。"
    " / The second wall lacks its role: have the administrator of the database run this, then flask db upgrade again.\n"
    '    CREATE ROLE {role} NOLOGIN; GRANT {role} TO "{me}";'
)
EXCLUDED_NOW = f"""SELECT set_config('tsunagu.excluded', coalesce((SELECT string_agg(person_id::text, ',')
 FROM exclusion e WHERE e.staff_id = {value("staff", "")} AND {rules.EXCLUDED_NOW}), ''), true)"""
COLUMNS = """SELECT c.relname, a.attname, format_type(a.atttypid, NULL) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
 WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped"""
STANDS = f"SELECT coalesce(obj_description(to_regnamespace('{SCHEMA}'), 'pg_namespace'), '')"
DIFFERS = (
    "✗ データベースの第二の壁は、このプログラムの規則のものではありません。flask db upgrade を実行してから起動してください。\n"
    "  not started: the second wall in the database is not that of this program's rules. Run flask db upgrade first"
)
MAY_BECOME = f"SELECT coalesce(pg_has_role(to_regrole('{READER}'), 'MEMBER'), false)"


def take_down(connection: Connection) -> None:
    """Drop the views before a migration: they would hold on to the columns of their tables."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")


def put_up(connection: Connection) -> None:
    """Create the views after a migration, for the present tables.

    Without the reader's role there are only the views, and the portal's promise to query nothing else.
    """
    if connection.dialect.name != "postgresql":
        return
    there: dict[str, dict[str, str]] = {}
    for table, column, kind in connection.exec_driver_sql(COLUMNS):
        there.setdefault(table, {})[column] = kind
    tables = {
        name: {c: there[name][c] for c in columns if c in there.get(name, {})}
        for name, columns in columns_of().items()
    }
    if not all(tables.values()):
        return  # on the way to an older version: without views the reader reads nothing at all
    home, me, is_super = connection.exec_driver_sql(
        "SELECT current_schema(), current_user, rolsuper FROM pg_roles WHERE rolname = current_user"
    ).one()
    # Views of a superuser would pass by every policy.
    owner = OWNER if is_super and has_role(connection, OWNER) else me
    is_whole = has_role(connection, READER)
    if not is_whole:
        logger.warning(ADVICE.format(role=READER, me=me))
    for name in tables:
        for act in behind(f'"{home}".{name}', {me, owner}, readers=["PUBLIC", READER][: 1 + is_whole]):
            connection.exec_driver_sql(act)
    connection.exec_driver_sql(f'CREATE SCHEMA {SCHEMA} AUTHORIZATION "{owner}"')
    if owner != me:
        connection.exec_driver_sql(f'GRANT USAGE ON SCHEMA "{home}" TO {owner}; SET LOCAL ROLE {owner}')
    for statement in statements(home, tables):
        connection.exec_driver_sql(statement)
    is_complete = all(declared(name) <= set(columns) for name, columns in tables.items())
    mark = mark_of_rules() if is_complete else "of an older version"
    connection.exec_driver_sql(f"COMMENT ON SCHEMA {SCHEMA} IS '{mark}'")
    connection.exec_driver_sql(f"REVOKE ALL ON ALL FUNCTIONS IN SCHEMA {SCHEMA} FROM PUBLIC")
    if is_whole:
        connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA {SCHEMA} TO {READER}")
        connection.exec_driver_sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA {SCHEMA} TO {READER}")
        connection.exec_driver_sql(f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {SCHEMA} TO {READER}")
    if owner != me:
        connection.exec_driver_sql(f'SET LOCAL ROLE "{me}"')


def declared(table: str) -> frozenset[str]:
    return shown(table) | frozenset(RULES[table].columns)


@cache
def mark_of_rules() -> str:
    """The mark beside the views that shows whether they were made from these rules."""
    tables = {name: defaultdict(str, dict.fromkeys(sorted(declared(name)), "")) for name in sorted(RULES)}
    return sha256("\n".join(statements("", tables)).encode()).hexdigest()


def statements(home: str, tables: Mapping[str, Mapping[str, str]]) -> list[str]:
    """The statements that create the functions and then the views, given each table's columns and types."""
    functions, views = Functions(SCHEMA), []
    for name, columns in tables.items():
        kind = "WITH (security_barrier)" if RULES[name].barrier else ""
        sql = text_of(name, columns, base=f'"{home}".', wall=f"{SCHEMA}.", value=value)
        views.append(f"CREATE VIEW {SCHEMA}.{name} {kind} AS {functions.outlined(sql, columns)}")
    return [*functions.statements.values(), *views]


def behind(table: str, owners: set[str], readers: list[str]) -> list[str]:
    """Row-level security, so that a right granted by mistake shows nothing to anybody but the owner."""
    named = ", ".join(f'"{owner}"' for owner in sorted(owners))
    return [
        f"REVOKE ALL ON {table} FROM {', '.join(readers)}",
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"DROP POLICY IF EXISTS second_wall ON {table}",
        f"CREATE POLICY second_wall ON {table} TO {named} USING (true) WITH CHECK (true)",
        f"GRANT SELECT ON {table} TO {named}",
    ]


def has_role(connection: Connection, role: str) -> bool:
    """Whether this role may become that one; created if needed. Roles belong to the whole server."""
    may_make, is_there, is_mine = connection.exec_driver_sql(
        "SELECT me.rolsuper OR me.rolcreaterole, other.oid IS NOT NULL,"
        " other.oid IS NOT NULL AND pg_has_role(me.oid, other.oid, 'MEMBER')"
        f" FROM pg_roles me LEFT JOIN pg_roles other ON other.rolname = '{role}' WHERE me.rolname = current_user"
    ).one()
    if may_make and not is_there:
        connection.exec_driver_sql(
            f"DO $$ BEGIN CREATE ROLE {role} NOLOGIN;"
            " EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
        )
    if may_make and not is_mine:
        connection.exec_driver_sql(f"GRANT {role} TO CURRENT_USER")
    return bool(is_mine or may_make)
