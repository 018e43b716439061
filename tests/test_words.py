"""Japanese and English say the same: every word is marked, translated, and English where English is asked for."""

import ast
import gettext
import re
import tomllib
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from babel.messages import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_keywords
from babel.messages.pofile import read_po
from flask import Flask
from jinja2 import Environment, nodes

from portal.accounts import invitations
from portal.accounts.gate import public
from portal.accounts.services import Post
from portal.agencies.models import AgencyKind, Room
from portal.cases.codes import Domain
from portal.core.clock import today
from portal.core.db import db
from portal.core.policy import Role
from portal.disclosures import services as disclosures
from portal.people.categories import Category
from portal.referrals.states import ReferralStatus
from tests.browser import paths
from tests.browsers import PASSWORD, Browser
from tests.conftest import NOWHERE
from tests.factories import (
    Member,
    make_agency,
    make_case,
    make_consent,
    make_member,
    make_note,
    make_person,
    make_referral,
    make_service,
)
from tests.words import COMPILED, plain

pytestmark = pytest.mark.quick

ROOT = Path(__file__).resolve().parent.parent
ENGLISH = ROOT / "portal" / "translations" / "en" / "LC_MESSAGES" / "messages.po"
MODULES = sorted((ROOT / "portal").rglob("*.py"))
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))

# Kana and kanji. Brackets, colons and stops of full width are no words.
JAPANESE = re.compile(r"[々〆〇ぁ-ゖァ-ヺー\u3400-\u9fff\uf900-\ufaff\uff66-\uff9d]+")
# What an English sentence has its own signs for.
PUNCTUATION = re.compile(r"[、。「」『』・（）：；！？～　]")
# Names that stay what they are: an agency's in the number of a referral.
NAMES = ("R8-アサ-0012",)
# A person's, a case's or a referral's: said on the telephone in any language.
NUMBER = re.compile(r"R\d+-\w{1,3}-[相ケ]?\d{4}")
# What the factories type for every person and step, and the name of the form that the portal prints.
TYPED = ("みほん", "はなこ", "見本の理由", "つなぐ同意書 第1版")
MARKERS = {"_", "gettext", "ngettext", "lazy_gettext", "lazy_ngettext", "N_"}

# Japanese that is no page's word, and why. A whole module, or these strings of it alone.
NOT_FOR_READERS = {
    "portal/accounts/passwords.py": "passwords that people think of",
    "portal/core/clock.py": "eras, and what people type for dates",
    "portal/people/names.py": "old and new forms of characters",
    "portal/core/text.py": "folding of kana",
    "portal/scenario/": "what is wrong with a file stands in both languages beside each other",
    "portal/web/last_resort.py": "for readers of both languages at once: no catalogue may be asked any more",
    "portal/wall/postgresql.py": "said to the operator in both languages beside each other",
    "portal/seed/": "invented people and what is told of them",
}
THESE_ALONE: dict[str, tuple[str, set[str]]] = {
    "portal/accounts/forms.py": ("a language is called by its own name", {"日本語"}),
    "templates/base.html": ("a language is called by its own name", {"日本語"}),
    "portal/web/formats.py": ("dates in Japanese", {"月火水木金土日", "月", "時", "分", "秒"}),
    "portal/cases/forms.py": ("what people type after minutes", {"分"}),
    "portal/activities/forms.py": ("what people type after a number of people", {"人"}),
    "portal/statistics/monthly_views.py": ("months in Japanese", {"月"}),
    "portal/agencies/services.py": ("parts of a number", {"相", "ケ"}),
    "portal/referrals/drafts.py": ("a date that gives a person away", {"年", "月", "日"}),
    "portal/consents/views.py": ("the name of a form, kept with the consent", {"つなぐ同意書 第1版"}),
}
PARSED = {
    "portal/web/fields.py": "patterns of what people type",
    "portal/evaluations/telling.py": "numbers of people as staff write them",
}
# Words of states, printed through `|t`: they must be in the catalogue, where `states.py` put them.
PRINTED_THROUGH_T = {"templates/macros/ui.html"}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def recipe() -> str:
    """What `make words` does, which alone says what is looked for."""
    return re.split(r"\n(?=\S)", (ROOT / "Makefile").read_text().split("\nwords:")[1])[0]


def marked() -> dict[str, set[str]]:
    """Every message that pages and code have marked, and the files it stands in."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["babel"]["mappings"]
    keywords = DEFAULT_KEYWORDS | parse_keywords(re.findall(r"--keywords (\S+)", recipe()))
    found: dict[str, set[str]] = {}
    for folder in ("portal", "templates"):
        pairs = [
            (one["pattern"].removeprefix(folder + "/"), one["method"])
            for one in settings
            if one["pattern"].startswith(folder + "/")
        ]
        for file, _line, message, _comments, _context in extract_from_dir(
            ROOT / folder, method_map=pairs, keywords=keywords
        ):
            for text in message if isinstance(message, tuple) else (message,):
                found.setdefault(text, set()).add(f"{folder}/{file}")
    return found


@cache
def english() -> Catalog:
    with ENGLISH.open("rb") as file:
        return read_po(file, locale="en", abort_invalid=True)


def told() -> list[tuple[str, str]]:
    """Japanese and English of each message."""
    return [(str(one.id), str(one.string)) for one in english() if one.id]


def test_every_word_has_its_english() -> None:
    words, found = english(), marked()
    assert len(found) > 1000
    missing = [f"{text!r} in {min(files)}" for text, files in found.items() if text not in words]
    empty = [one.id for one in words if one.id and not str(one.string).strip()]
    fuzzy = [one.id for one in words if one.id and one.fuzzy]
    gone = [*words.obsolete, *(one.id for one in words if one.id and one.id not in found)]
    assert not missing, "run `make words` and translate:\n" + "\n".join(sorted(missing))
    assert not empty, "translate:\n" + "\n".join(map(str, empty))
    assert not fuzzy, "check, then take the mark `fuzzy` away:\n" + "\n".join(map(str, fuzzy))
    assert not gone, "no longer used, `make words` removes them:\n" + "\n".join(map(str, gone))


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"%\(\w+\)[a-z]|\{\w+\}", text))


def test_english_has_the_same_placeholders() -> None:
    wrong = [
        f"{ours!r} → {theirs!r}" for ours, theirs in told() if placeholders(ours) != placeholders(theirs)
    ]
    assert not wrong, "\n".join(wrong)


def test_every_message_can_be_filled_in() -> None:
    """Templates format each message, also those without a placeholder: a lone % would be a page that fails."""
    for pair in told():
        for text in pair:
            values = {found[2:-2]: "見本" for found in placeholders(text) if found.startswith("%")}
            assert text % values


def test_english_is_english() -> None:
    for ours, theirs in told():
        rest = theirs
        for allowed in NAMES:
            rest = rest.replace(allowed, "")
        assert not JAPANESE.search(rest), f"{ours!r} → {theirs!r}"
        assert not PUNCTUATION.search(rest), f"{ours!r} → {theirs!r}: signs of full width"


def strings_of_template(node: nodes.Node) -> Iterator[tuple[int, str]]:
    """Text and strings of a template that no `_()` or trans block holds."""
    is_call = isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name)
    held = list(node.args) if is_call and node.node.name in MARKERS else []  # type: ignore[attr-defined]
    if isinstance(node, nodes.TemplateData):
        yield node.lineno, node.data
    elif isinstance(node, nodes.Const) and isinstance(node.value, str):
        yield node.lineno, node.value
    for child in node.iter_child_nodes():
        if not (child in held and isinstance(child, nodes.Const)):
            yield from strings_of_template(child)


def strings_of_module(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Strings of a module that no gettext holds, those that stand alone (docstrings) left out."""
    held = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            held.add(node.value)
        elif isinstance(node, ast.Call):
            called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            held |= set(node.args) if called in MARKERS else set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in held:
            yield node.lineno, node.value


def unmarked(path: Path) -> list[tuple[int, str]]:
    """Lines and strings of Japanese that a reader of English would get."""
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".html":
        found = strings_of_template(
            Environment(extensions=["jinja2.ext.i18n"], autoescape=True).parse(source)
        )
    else:
        found = strings_of_module(ast.parse(source))
    return [(line, text.strip()) for line, text in found if JAPANESE.search(text)]


def is_for_nobody(path: Path) -> bool:
    return name(path) in PARSED or any(name(path).startswith(start) for start in NOT_FOR_READERS)


def test_no_japanese_is_left_unmarked() -> None:
    translated = {one.id for one in english() if one.string}
    wrong = []
    for path in (*TEMPLATES, *MODULES):
        if is_for_nobody(path):
            continue
        _why, known = THESE_ALONE.get(name(path), ("", set()))
        if name(path) in PRINTED_THROUGH_T:
            known = known | translated
        wrong += [f"{name(path)}:{line}: {text[:60]}" for line, text in unmarked(path) if text not in known]
    assert not wrong, "mark these with _(), gettext() or N_():\n" + "\n".join(wrong)


def test_the_lists_of_exceptions_are_still_needed() -> None:
    for start in (*NOT_FOR_READERS, *PARSED, *PRINTED_THROUGH_T):
        files = [path for path in (*TEMPLATES, *MODULES) if name(path).startswith(start)]
        assert any(unmarked(path) for path in files), f"{start} needs no exception"
    for file, (_why, known) in THESE_ALONE.items():
        assert known == {text for _line, text in unmarked(ROOT / file)} & known, file


def test_scripts_hold_no_words() -> None:
    """They print what the page gives them."""
    for path in sorted((ROOT / "static" / "js").rglob("*.js")):
        code = re.sub(r"/\*.*?\*/|//[^\n]*", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        assert not JAPANESE.search(code), f"{name(path)}: {JAPANESE.search(code)}"


def test_what_is_served_is_what_stands_in_the_catalogue() -> None:
    """Set-up compiled it, as it does for whoever starts `./run`: no test does."""
    with COMPILED.open("rb") as file:
        served = gettext.GNUTranslations(file)
    stale = [ours for ours, theirs in told() if served.gettext(ours) != theirs]
    assert not stale, "compile them: `make install`, ./test or ./run\n" + "\n".join(stale)


@pytest.fixture
def in_english(browser: Callable[..., Browser]) -> Callable[..., Browser]:
    """`in_english(member)` has signed in and reads English."""

    def make(who: Member | None = None) -> Browser:
        client = browser(who)
        client.get("/language/en")
        return client

    return make


def japanese_of(answer: Any) -> set[str]:
    """What a reader of English cannot read on this page; attributes are read out too."""
    shown = re.sub(r"<(?:link|script)\b[^>]*>", " ", answer.text)
    spoken = re.findall(r'(?:aria-label|title|placeholder|alt|value|content|data-\w+)="([^"]*)"', shown)
    words = " ".join([plain(shown), *spoken])
    words = NUMBER.sub("", words)
    for typed in (*TYPED, *NAMES):
        words = words.replace(typed, "")
    return set(JAPANESE.findall(words)) - {"日本語", "つなぐ"}


def test_signing_in_is_english(app: Flask, in_english: Callable[..., Browser]) -> None:
    client = in_english()
    page = client.get("/sign-in")
    assert "Sign in" in page.text
    assert '<html lang="en">' in page.text
    assert not japanese_of(page)
    refused = client.post("/sign-in", data={"email": "nobody@example.jp", "password": PASSWORD})
    assert "The e-mail address or the password is wrong." in refused.text
    assert not japanese_of(refused)
    assert "サインイン" in app.test_client().get("/sign-in").text


def test_error_pages_are_english(
    app: Flask, in_english: Callable[..., Browser], monkeypatch: pytest.MonkeyPatch
) -> None:
    @public
    def broken() -> str:
        raise ZeroDivisionError

    client = in_english(make_member(make_agency(name="Agency A", short_name="A"), name="Staff A"))
    monkeypatch.setitem(app.view_functions, "web.healthz", broken)
    monkeypatch.setitem(app.config, "PROPAGATE_EXCEPTIONS", False)
    answers = {
        500: client.get("/healthz"),
        404: client.get("/nowhere"),
        405: client.delete("/people/"),
        403: client.get("/audit/"),
        413: client.post("/people/new", data={"family": "a" * (app.config["MAX_CONTENT_LENGTH"] + 1)}),
    }
    monkeypatch.setitem(app.config, "WTF_CSRF_ENABLED", True)
    answers[400] = client.post("/people/new", data={"family": "Mihon"})
    monkeypatch.setitem(app.config, "WTF_CSRF_ENABLED", False)
    db.bind(NOWHERE)
    answers[503] = client.post("/people/new", data={"family": "Mihon", "idempotency_key": "ab" * 16})
    for status, answer in answers.items():
        assert answer.status_code == status
        assert not japanese_of(answer), status


def busy_office() -> tuple[Member, Member, str]:
    """Something of everything, typed in English; who sends, who receives, and the token of an invitation."""
    own, other = (
        make_agency(name=f"Agency {x}", short_name=x, kind=AgencyKind.YOUTH_CENTRE, weekly_closed="06")
        for x in "AB"
    )
    make_service(other, name="Service B", room=Room.WAITING)
    sender = make_member(own, Role.COORDINATOR, administers=True, name="Staff A")
    recipient = make_member(other, name="Staff B")
    named = {"family": "Mihon", "given": "Hanako", "birth": date(1990, 5, 1)}
    one, two, three = (make_person(sender, **named) for _ in range(3))
    make_person(sender, pseudonym="Person A", contact_prohibited=True, contact_prohibited_reason="At work")
    agreed: dict[str, Any] = {"purpose": "Support", "categories": list(Category)}
    lasting = make_consent(sender, one, [recipient], **agreed)
    ending = make_consent(sender, two, [recipient], until=today() + timedelta(days=9), **agreed)
    asked: dict[str, Any] = {"need": "Wants to work", "goals": ((Domain.EMPLOYMENT, "A day a week"),)}
    first = asked | {"person_id": one, "consent_id": lasting, "categories": list(Category)}
    for status in ReferralStatus:
        make_referral(sender, recipient, status=status, **first)
    make_referral(sender, recipient, kind="joint_interview", appointment_place="Room 2", **first)
    make_referral(sender, recipient, kind="transfer", **first)
    make_referral(sender, recipient, kind="advice", basis="anonymous", person_id=three, **asked)
    for status in (ReferralStatus.REQUESTED, ReferralStatus.IN_PROGRESS):
        make_referral(sender, recipient, status=status, person_id=two, consent_id=ending, **asked)
    disclosures.withdraw_consent(sender.actor, ending, reason="No longer wanted")
    make_note(sender, make_case(sender, three), text="We talked at the door.")
    post = Post(Role.STAFF, own.id)
    invited = invitations.invite(sender.actor, email="new@example.jp", name="New Staff", post=post)
    return sender, recipient, invited.token or ""


def test_every_page_is_english(app: Flask, in_english: Callable[..., Browser]) -> None:
    """Where people type English, no page of any reader has a Japanese word."""
    sender, recipient, token = busy_office()
    manager = make_member(sender.agency_id, Role.AGENCY_ADMIN, name="Manager A")
    others = [make_member(role=role, name="Somebody") for role in (Role.AUDITOR, Role.SYSTEM_ADMIN)]
    opened: set[str] = set()
    wrong = []
    for reader in (sender, recipient, manager, *others, None):
        client = in_english(reader)
        # Both sides look at everything, each after them at what nobody has seen yet.
        known = () if reader in (sender, recipient) else frozenset(opened)
        for page in paths.found(app, client, reader and reader.actor, known, token=token, code="en", act=""):
            opened.add(page.endpoint)
            left = japanese_of(client.get(page.path))
            wrong += [f"{page.endpoint} {page.path}: {sorted(left)}"] if left else []
    assert len(opened) > 40
    assert not wrong, "\n".join(wrong)
