"""The rules of the house: what may import what, who commits, what a module looks like, what lies where."""

import ast
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

pytestmark = pytest.mark.quick

# Imports only ever point up this list.
ORDER = [
    *(
        "core.labels",
        "core.text",
        "core.faults",
        "core.errors",
        "core.clock",
        "core.database_file",
        "core.db",
        "core.ordering",
    ),
    *(
        "core.heartbeat",
        "audit",
        "core.policy",
        "wall",
        "core.idempotency",
        "core.workflow",
        "extensions",
        "web",
    ),
    *(
        "agencies",
        "configuration",
        "accounts",
        "exclusions",
        "people",
        "consents",
        "disclosures",
        "emergency",
    ),
    *("cases", "referrals", "activities", "meetings", "transfers", "evaluations", "inspections", "retention"),
    *("handovers", "statistics", "today", "auditing", "search", "help"),
    *("scenario", "seed", "cli", "__init__"),
]
# Inside a feature, what is below may use what is above. What has a name of its own in the domain (the wall, the
# ledger, a packet's matrix) stands with queries and services, unless it is one of `TO_THE_READER`.
LAYERS = [{"states", "models"}, {"queries", "services"}, {"forms"}, {"views"}]
NAMED = 1
FEATURES = set(ORDER[ORDER.index("agencies") : ORDER.index("scenario")])
# What speaks to a browser or in the reader's language without being a page.
TO_THE_READER = {
    *("portal/accounts/gate.py", "portal/accounts/devices.py", "portal/evaluations/params.py"),
    *("portal/evaluations/suggest.py", "portal/evaluations/sheets.py", "portal/statistics/sheets.py"),
    *("portal/auditing/exports.py", "portal/meetings/minutes/text.py"),
    *("portal/activities/blueprint.py", "portal/meetings/blueprint.py", "portal/referrals/blueprint.py"),
    *("portal/accounts/commands.py", "portal/retention/commands.py"),
}
TOP_LEVEL = {
    *("portal", "migrations", "templates", "static", "tests", "docs", "scenarios"),
    *("config.py", "wsgi.py", "run", "test", "Makefile", "README.md", "pyproject.toml"),
    "verify_audit.py",  # an auditor takes this one file along: it imports nothing of the portal
    *("requirements.lock", "requirements-dev.lock", ".ci", ".git", ".gitignore", ".editorconfig"),
}
ROOT = Path(__file__).resolve().parent.parent
PORTAL = ROOT / "portal"
MODULES = sorted(PORTAL.rglob("*.py"))
TESTS = sorted(path for path in (ROOT / "tests").rglob("*.py") if path.stat().st_size)
EVERY_MODULE = [*MODULES, *TESTS, ROOT / "config.py", ROOT / "wsgi.py", ROOT / "verify_audit.py"]
TEMPLATES = sorted((ROOT / "templates").rglob("*.*"))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(tree: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Every imported module, dotted, and what it is imported in; those for type checkers only left out."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, tree) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((f"{node.module}.{alias.name}", tree) for alias in node.names)
        yield from imports(node)


def own_imports(path: Path) -> Iterator[tuple[list[str], ast.AST]]:
    for module, scope in imports(parse(path)):
        parts = module.split(".")
        if parts[0] == "portal":
            yield parts[1:], scope


def layer(path: Path) -> int | None:
    """`views` is a layer, and so are those of a second blueprint: `staff_views`."""
    return next((i for i, names in enumerate(LAYERS) if path.stem.split("_")[-1] in names), None)


def layer_or_named(path: Path) -> int | None:
    """The same, where what has a name of its own stands beside queries and services."""
    is_inside = path.parent != PORTAL and path.relative_to(PORTAL).parts[0] in FEATURES
    is_named = is_inside and path.stem != "__init__" and name(path) not in TO_THE_READER
    return NAMED if layer(path) is None and is_named else layer(path)


def module_of(parts: list[str]) -> Path | None:
    """Where an imported name lies: features and their subpackages hold modules."""
    for length in range(len(parts), 0, -1):
        path = PORTAL.joinpath(*parts[:length]).with_suffix(".py")
        if path.exists():
            return path
    return None


def test_there_is_something_to_look_at() -> None:
    assert len(MODULES) > 20
    assert len(TEMPLATES) > 5


def test_the_order_names_what_is_there_and_nothing_else() -> None:
    found = {place(path) for path in MODULES} - {"core.__init__"}
    assert sorted(ORDER) == sorted(found)


def place(path: Path) -> str:
    """Which member of `ORDER` a module belongs to: its feature, or of the core the module itself."""
    return place_of(list(path.relative_to(PORTAL).with_suffix("").parts))


def place_of(parts: list[str]) -> str:
    return ".".join(parts[:2] if parts[0] == "core" else parts[:1])


def test_imports_point_up_the_list_and_sit_at_the_top() -> None:
    wrong = []
    for path in MODULES:
        here = place(path)
        if here == "core.__init__":
            continue
        stands_above = layer(path) in {2, 3}  # docs/decisions/001: pages may import any feature
        for parts, scope in own_imports(path):
            there = place_of(parts) if parts else ""
            if parts and there not in ORDER:
                wrong.append(f"{name(path)}: {there} has no place in the order")
            elif not stands_above and parts and ORDER.index(there) > ORDER.index(here):
                wrong.append(f"{name(path)}: {here} may not import {there}")
            if not isinstance(scope, ast.Module):
                wrong.append(f"{name(path)} imports {parts} inside: a hidden cycle")
    assert wrong == []


def test_layers_of_a_feature_are_not_turned_round() -> None:
    wrong = [
        (name(path), ".".join(parts))
        for path in MODULES
        for parts, _scope in own_imports(path)
        if (here := layer_or_named(path)) is not None
        and (module := module_of(parts)) is not None
        and (there := layer(module)) is not None
        and there > here
    ]
    assert wrong == []


def test_what_speaks_to_the_reader_is_there() -> None:
    assert sorted(TO_THE_READER - {name(path) for path in MODULES}) == []


def test_one_noun_is_one_module() -> None:
    """A second module of a layer in one folder has a blueprint of its own, or one large page."""
    second = {
        "staff_views",
        "family_views",
        "draft_views",
        "list_views",
        "clock_views",
        "anomaly_views",
        "monthly_views",
        "figure_views",
    }
    words = {word for names in LAYERS for word in names} | {
        "view",
        "list",
        "reading",
        "facts",
        "holding",
        "checks",
    }
    found = {
        path.stem
        for path in MODULES
        if path.relative_to(PORTAL).parts[0] in FEATURES
        and "_" in path.stem
        and path.stem.split("_")[-1] in words
    }
    assert found == second


def test_services_models_queries_and_states_know_nothing_of_the_web() -> None:
    wrong = [
        (name(path), module)
        for path in MODULES
        if layer_or_named(path) in {0, NAMED}
        for module, _scope in imports(parse(path))
        if re.match(r"flask|werkzeug|wtforms", module)
    ]
    assert wrong == []


def test_only_the_transaction_commits() -> None:
    def commits(node: ast.AST) -> bool:
        call = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr
        return call in {"commit", "begin"}

    assert [name(path) for path in MODULES if any(map(commits, ast.walk(parse(path))))] == [
        "portal/core/db.py"
    ]


def test_only_the_clock_tells_the_time() -> None:
    sources = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time"}
    wrong = [
        (name(path), ast.unparse(node))
        for path in MODULES
        for node in ast.walk(parse(path))
        if isinstance(node, ast.Attribute)
        and ast.unparse(node) in sources
        and path != PORTAL / "core" / "clock.py"
    ]
    assert wrong == []


def test_a_child_knows_its_parent_and_never_the_reverse() -> None:
    reverse = re.compile(r"\b(back_populates|backref)=|Mapped\[(list|set|dict)\[.*relationship\(")
    wrong = [
        (name(path), ast.unparse(node))
        for path in MODULES
        for node in ast.walk(parse(path))
        if isinstance(node, ast.Assign | ast.AnnAssign) and reverse.search(ast.unparse(node))
    ]
    assert wrong == []


def test_no_signals_steer_the_program() -> None:
    flask_signals = r"flask\.(signals|request_started|request_finished|template_rendered|appcontext_\w+)"
    wrong = [
        (name(path), module)
        for path in MODULES
        for module, _scope in imports(parse(path))
        if re.match(rf"blinker|{flask_signals}|flask_login\.(signals|user_)", module)
    ]
    assert wrong == []


def test_a_package_is_opened_by_one_docstring() -> None:
    for path in PORTAL.glob("*/**/__init__.py"):
        body = parse(path).body
        assert len(body) == 1, name(path)
        assert isinstance(body[0], ast.Expr), name(path)


def test_every_module_says_what_belongs_there() -> None:
    assert [name(path) for path in EVERY_MODULE if not ast.get_docstring(parse(path))] == []


def test_no_module_of_the_portal_is_long() -> None:
    lines = {name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {path: count for path, count in lines.items() if count > 600} == {}


def test_no_drawer_for_odds_and_ends() -> None:
    drawers = {"utils", "util", "helpers", "common", "misc", "tools", "base"}
    assert [name(path) for path in EVERY_MODULE if path.stem in drawers or path.parent.name in drawers] == []


def test_the_top_level_holds_only_what_belongs_there() -> None:
    ignored = [line.rstrip("/") for line in (ROOT / ".gitignore").read_text().splitlines() if line]
    found = {path.name for path in ROOT.iterdir()}
    assert {found for found in found - TOP_LEVEL if not any(fnmatch(found, i) for i in ignored)} == set()


def test_templates_hold_no_inline_style_or_script() -> None:
    """The content security policy would refuse them without a word."""
    pattern = r"""<style|<script(?![^>]*\ssrc=)|<[^>]*\s(style|on[a-z]+)\s*=|["']\s*javascript:"""
    inline = re.compile(pattern, re.IGNORECASE)
    assert [name(path) for path in TEMPLATES if inline.search(path.read_text(encoding="utf-8"))] == []
