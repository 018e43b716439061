"""Form fields and validators, through a form as Flask receives it."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from html import unescape
from types import SimpleNamespace

import pytest
from flask import Flask, request
from flask_babel import Babel
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict
from wtforms import BooleanField, IntegerField, SelectField, SelectMultipleField, StringField
from wtforms.fields import SelectChoice

from portal.core import clock
from portal.web.base_form import BaseForm
from portal.web.fields import (
    CleanString,
    CleanText,
    EraDateField,
    EraDateTimeField,
    MaxLength,
    Required,
    TelephoneField,
    not_after_today,
)

pytestmark = pytest.mark.quick

HINT = "日付を「令和2年12月1日」や「2020-12-01」のように入力してください。"
REMOVED = "使えない文字を取り除きました。内容を確かめて、もう一度送信してください。"


class PersonForm(BaseForm):
    name = CleanString("氏名", [Required("氏名を入力してください。"), MaxLength(10)])
    notes = CleanText("メモ", [MaxLength(20)])
    birth = EraDateField("生年月日", [not_after_today])
    since = EraDateField("開始日", [Required("開始日を入力してください。")])
    visit = EraDateTimeField("訪問", [not_after_today])
    telephone = TelephoneField("電話番号")


Fill = Callable[..., PersonForm]


@pytest.fixture(scope="module")
def forms() -> Flask:
    """An application with nothing but a session and two languages."""
    app = Flask("forms")
    app.config.update(SECRET_KEY="for this test only", WTF_CSRF_ENABLED=False, BABEL_DEFAULT_LOCALE="ja")
    Babel(app, locale_selector=lambda: request.args.get("lang", "ja"))
    return app


@pytest.fixture
def fill(forms: Flask) -> Fill:
    """`fill(birth="R2.12.1")`: the form as posted and validated; a list is several boxes of one name."""

    def post(**typed: str | list[str]) -> PersonForm:
        with forms.test_request_context(
            "/", method="POST", data={"name": "見本 花子", "since": "R2.12.1", **typed}
        ):
            form = PersonForm()
            form.validate()
            return form

    return post


def shown(forms: Flask, form: PersonForm, field: str, lang: str = "ja") -> str:
    with forms.test_request_context(f"/?lang={lang}"):
        return str(form[field]())


def values(html: str) -> list[str]:
    """What stands in the boxes."""
    return [unescape(value) for value in re.findall(r' value="([^"]*)"', html)]


@pytest.mark.parametrize("typed", ["令和2年12月1日", "2020-12-01", "Ｒ２．１２．１", "　20201201　"])
def test_a_date_is_read(fill: Fill, typed: str) -> None:
    form = fill(birth=typed)
    assert form.birth.data == date(2020, 12, 1)
    assert form.errors == {}


@pytest.mark.parametrize("typed", ["", "   ", "　"])
def test_a_blank_date_is_none(fill: Fill, typed: str) -> None:
    form = fill(birth=typed)
    assert form.birth.data is None
    assert form.errors == {}


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("きのう", HINT),
        ("令和2年2月30日", "カレンダーにない日付です。月と日を確かめてください。"),
        (
            "平成35年1月1日",
            "この元号にはない日付です。元号と年を確かめてください（例：平成は31年4月30日まで）。",
        ),
        ("明治45年7月29日", "この元号は使えません。西暦で入力してください。"),
        ("0201-12-01", "年を確かめてください。1900年から2199年までの日付を入力できます。"),
        ('"><script>alert(1)</script>', HINT),
    ],
)
def test_a_wrong_date_says_why_once_and_stays_in_the_box(
    forms: Flask, fill: Fill, typed: str, message: str
) -> None:
    form = fill(birth=typed, since=typed)
    assert form.errors == {"birth": [message], "since": [message]}
    assert form.birth.data is None
    html = shown(forms, form, "birth")
    assert values(html) == [typed]
    assert "<script" not in html


def test_an_existing_date_is_shown_by_era_and_in_english_by_iso(forms: Flask) -> None:
    with forms.test_request_context("/"):
        form = PersonForm(data={"birth": date(1986, 5, 1), "visit": datetime(2020, 12, 1, 1, 0, tzinfo=UTC)})
    assert values(shown(forms, form, "birth")) == ["昭和61年5月1日"]
    assert values(shown(forms, form, "birth", "en")) == ["1986-05-01"]
    assert values(shown(forms, form, "since")) == [""]
    assert values(shown(forms, form, "visit")) == ["令和2年12月1日", "10:00"]
    assert values(shown(forms, form, "visit", "en")) == ["2020-12-01", "10:00"]


@pytest.mark.parametrize("lang", ["ja", "en"])
def test_what_is_shown_can_be_sent_back(forms: Flask, fill: Fill, lang: str) -> None:
    born, at = date(1986, 5, 1), datetime(2020, 12, 1, 1, 5, tzinfo=UTC)
    with forms.test_request_context("/"):
        form = PersonForm(data={"birth": born, "visit": at})
    again = fill(
        birth=values(shown(forms, form, "birth", lang)), visit=values(shown(forms, form, "visit", lang))
    )
    assert (again.birth.data, again.visit.data, again.errors) == (born, at, {})


@pytest.mark.parametrize(
    "typed",
    [
        ["令和2年12月1日", "10:00"],
        ["2020-12-01", "１０時"],
        "2020-12-01 10:00",
        "2020-12-01T10:00",
        "令和2年12月1日　午前10時",
        ["R2.12.1 10:00", ""],
        "令和2年 12月 1日 午前 10 時",
    ],
)
def test_a_date_and_time_in_japan_become_an_instant(fill: Fill, typed: str | list[str]) -> None:
    form = fill(visit=typed)
    assert form.errors == {}
    assert form.visit.data == datetime(2020, 12, 1, 1, 0, tzinfo=UTC)
    assert form.visit.data.tzinfo is UTC


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (["2020-12-01", ""], "日付と時刻の両方を入力してください。"),
        ("2020-12-01", "日付と時刻の両方を入力してください。"),
        ("令和2年 12月1日", "日付と時刻の両方を入力してください。"),
        ("x" * 100_000 + " 10:00", "日付と時刻の両方を入力してください。"),
        (["", "10:00"], "日付と時刻の両方を入力してください。"),
        (["2020-12-01", "25:00"], "時刻を「10:00」や「14時30分」のように入力してください。"),
        (["2020-12-01", "ひる"], "時刻を「10:00」や「14時30分」のように入力してください。"),
        (["きのう", "10:00"], HINT),
    ],
)
def test_a_wrong_date_and_time_says_why_and_stays(
    forms: Flask, fill: Fill, typed: str | list[str], message: str
) -> None:
    form = fill(visit=typed)
    assert form.errors == {"visit": [message]}
    assert form.visit.data is None
    typed_in = [typed, ""] if isinstance(typed, str) else typed
    assert values(shown(forms, form, "visit")) == typed_in


@pytest.mark.parametrize("typed", ["", ["", ""], [" ", "　"]])
def test_a_blank_date_and_time_is_none(fill: Fill, typed: str | list[str]) -> None:
    form = fill(visit=typed)
    assert (form.visit.data, form.errors) == (None, {})


def test_both_boxes_have_a_name_for_a_screen_reader(forms: Flask) -> None:
    with forms.test_request_context("/"):
        form = PersonForm()
        html = form.visit(**{"class": "narrow", "aria-describedby": "visit-help"})
        assert 'for="visit"' in form.visit.label()
    first, second = re.findall("<input [^>]*>", html)
    assert 'id="visit"' in first
    assert "aria-label" not in first
    assert 'id="visit-time"' in second
    assert 'aria-label="時刻"' in second
    for box in (first, second):
        assert 'class="narrow"' in box
        assert 'aria-describedby="visit-help"' in box
        assert 'name="visit"' in box


def test_not_after_today(forms: Flask, fill: Fill) -> None:
    message = "今日より後の日付は入力できません。日付を確かめてください。"
    with clock.frozen(datetime(2020, 12, 1, 15, 0, tzinfo=UTC)):  # 2 December in Japan
        assert fill(birth="2020-12-02").errors == {}
        assert fill(birth="2020-12-03").errors == {"birth": [message]}
        assert fill(visit="2020-12-02 0:00").errors == {}
        assert fill(visit="2020-12-02 0:01").errors == {"visit": [message]}
        assert fill(birth="2020-12-02", visit="").errors == {}


def test_a_line_is_cleaned(fill: Fill) -> None:
    assert fill(name="　見本\u200b\t花子\r\n ").name.data == "見本 花子"
    assert fill(name="髙﨑\U000e0100𠮷").name.data == "髙﨑\U000e0100𠮷"
    assert fill(notes="\r\n \r\n  一\r\n\r\n二 \n\n").notes.data == "  一\n\n二"


@pytest.mark.parametrize("field", ["name", "notes"])
def test_unusable_characters_are_taken_out_and_said_so(forms: Flask, fill: Fill, field: str) -> None:
    form = fill(**{field: "見本\x00花子\x1b"})
    assert form.errors == {field: [REMOVED]}
    assert form[field].data == "見本花子"
    assert "見本花子" in shown(forms, form, field)


@pytest.mark.parametrize("field", ["birth", "visit", "telephone"])
def test_a_nul_never_comes_back_in_any_box(forms: Flask, fill: Fill, field: str) -> None:
    form = fill(**{field: "2020\x00"})
    assert field in form.errors
    assert "\x00" not in shown(forms, form, field)


@pytest.mark.parametrize("blank", ["", " ", "　　", "\u200b", "\ufeff　", "\r\n"])
def test_blank_is_not_enough(fill: Fill, blank: str) -> None:
    form = fill(name=blank, since=blank)
    assert form.errors["name"] == ["氏名を入力してください。"]
    assert len(form.errors["since"]) == 1
    assert form.name.data == ""


def test_a_field_that_was_not_sent_is_blank(forms: Flask) -> None:
    with forms.test_request_context("/", method="POST", data={"other": "x"}):
        form = PersonForm()
        assert not form.validate()
        assert form.errors == {"name": ["氏名を入力してください。"], "since": ["開始日を入力してください。"]}
        assert (form.notes.data, form.telephone.data, form.birth.data, form.visit.data) == (
            "",
            "",
            None,
            None,
        )


class AllKindsForm(BaseForm):
    kind = SelectField("種類", [Required()], choices=[SelectChoice("", "選択"), SelectChoice("a", "A")])
    several = SelectMultipleField("区分", [Required()], choices=[SelectChoice("a", "A")])
    sure = BooleanField("確認", [Required("確認にチェックを入れてください。")])
    count = IntegerField("人数", [Required()])
    plain = StringField("文字", [Required()])


def test_required_knows_every_kind_of_blank(forms: Flask) -> None:
    with forms.test_request_context("/", method="POST", data={"kind": "", "plain": "　\u200b"}):
        form = AllKindsForm()
        assert not form.validate()
        assert set(form.errors) == {"kind", "several", "sure", "count", "plain"}
        assert form.errors["sure"] == ["確認にチェックを入れてください。"]
        assert form.errors["plain"] == ["入力してください。"]
    full = {"kind": "a", "several": "a", "sure": "y", "count": "0", "plain": "0"}
    with forms.test_request_context("/", method="POST", data=full):
        assert AllKindsForm().validate()
    with forms.test_request_context("/"):
        assert "required" in AllKindsForm().plain()


def test_too_long_says_by_how_much_and_keeps_everything(forms: Flask, fill: Fill) -> None:
    assert fill(name="あ" * 10).errors == {}
    assert fill(name="𠮷" * 10).errors == {}
    form = fill(name="あ" * 13)
    assert form.errors == {"name": ["10文字以内で入力してください。3文字多いです。"]}
    html = shown(forms, form, "name")
    assert "あ" * 13 in html
    assert "maxlength" not in html


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("090-0000-0000", "090-0000-0000"),
        ("０９０－００００－００００", "090-0000-0000"),
        ("０９０ー００００ー００００", "090-0000-0000"),
        ("09000000000", "09000000000"),
        ("06（0000）0000", "06-0000-0000"),
        ("(0797) 00 - 0000", "0797-00-0000"),
        ("0797−00−0000", "0797-00-0000"),
        ("＋81 90-0000-0000", "+8190-0000-0000"),
        ("", ""),
        ("　", ""),
    ],
)
def test_a_telephone_number_is_kept_half_width(fill: Fill, typed: str, kept: str) -> None:
    form = fill(telephone=typed)
    assert (form.telephone.data, form.errors) == (kept, {})


@pytest.mark.parametrize(
    "typed", ["なし", "090-0000", "190-0000-0000", "0900000000000", "+81", "090-0000-000a", "٠٩٠٠٠٠٠٠٠٠٠"]
)
def test_what_cannot_be_dialled_is_refused(forms: Flask, fill: Fill, typed: str) -> None:
    form = fill(telephone=typed)
    assert form.errors == {"telephone": ["電話番号を「090-0000-0000」のように入力してください。"]}
    assert values(shown(forms, form, "telephone"))[0]


def test_the_idempotency_key_is_new_on_each_form_and_kept_when_shown_again(forms: Flask) -> None:
    with forms.test_request_context("/"):
        first, second = PersonForm().idempotency_key.data, PersonForm().idempotency_key.data
    assert re.fullmatch("[0-9a-f]{32}", first)
    assert first != second
    with forms.test_request_context("/", method="POST", data={"idempotency_key": first}):
        form = PersonForm()
        assert not form.validate()
        assert f'value="{first}"' in form.hidden_tag()


def test_the_key_is_that_of_what_was_typed(forms: Flask) -> None:
    """Back, something else typed, sent again: that is not the same form sent twice."""

    def key_of(**typed: str) -> str:
        with forms.test_request_context("/", method="POST", data={"idempotency_key": "0" * 32} | typed):
            return str(PersonForm().idempotency_key.data)

    assert key_of(name="見本 花子") == key_of(name="見本 花子", csrf_token="x")
    assert key_of(name="見本 花子") != key_of(name="見本 太郎")


@pytest.mark.parametrize(
    "sent", ["", "x", "0" * 31, "0" * 33, "\x00" * 32, "٠" * 32, "A" * 32, "a" * 100_000]
)
def test_a_key_that_is_not_ours_gives_way(forms: Flask, sent: str) -> None:
    with forms.test_request_context("/", method="POST", data={"idempotency_key": sent}):
        key = PersonForm().idempotency_key.data
    assert re.fullmatch("[0-9a-f]{32}", key)
    assert key != sent


def test_a_record_neither_gives_nor_takes_the_key(forms: Flask) -> None:
    record = SimpleNamespace(name="見本 花子", idempotency_key="0" * 32)
    with forms.test_request_context("/"):
        form = PersonForm(obj=record)
        assert form.idempotency_key.data != "0" * 32
        form.populate_obj(record)
    assert record.idempotency_key == "0" * 32
    assert record.name == "見本 花子"


def test_a_refusal_is_shown_at_its_field_or_on_top(fill: Fill) -> None:
    form = fill(name="")
    form.refuse("先に状況が変わりました。")
    form.refuse("同じ氏名の方がいます。", "name")
    assert form.form_problem == "先に状況が変わりました。"
    assert form.errors["name"] == ["氏名を入力してください。", "同じ氏名の方がいます。"]
    form.refuse("機関が閉まっています。", "no_such_field")
    assert form.form_problem == "機関が閉まっています。"
    assert fill().form_problem is None


@given(st.text(), st.text(max_size=20), st.text(max_size=12))
def test_no_text_makes_a_form_fail(forms: Flask, name: str, day: str, hour: str) -> None:
    typed = MultiDict(
        [(field, name) for field in ("name", "notes", "telephone", "idempotency_key")]
        + [("birth", day), ("since", day), ("visit", day), ("visit", hour)]
    )
    with forms.test_request_context("/", method="POST"):
        form = PersonForm(formdata=typed)
        form.validate()
        html = "".join(str(field()) for field in form)
        str(form.errors)
    assert "\x00" not in html
    html.encode()
