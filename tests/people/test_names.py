"""Finding people by name, possible duplicates, and cleaning of typed text."""

import sqlite3
import unicodedata
from datetime import date

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from portal.core.text import (
    LIKE_ESCAPE,
    LONGEST_QUERY,
    TextCode,
    UnusableText,
    clean_text,
    fold,
    is_blank,
    like_pattern,
    without_unusable,
)
from portal.people import names
from portal.people.names import identity_keys, is_kana, search_key

JAPANESE = st.text(alphabet="山田髙﨑々ゝゞーぁあアァｱｶﾞﾊﾟがガかゕ゛゙ヶヴ゚・ -%_!Aaé\ufe00\U000e0100𠮷")


@pytest.mark.parametrize(
    "same",
    [
        ("やまだ", "ヤマダ", "ﾔﾏﾀﾞ", "や ま だ", "ヤ・マ・ダ", "やまた\u3099"),
        ("パピプ", "ﾊﾟﾋﾟﾌﾟ", "ぱぴぷ"),
        ("がっこう", "ｶﾞｯｺｳ", "ガツコウ"),
        ("しょうこ", "シヨウコ", "ｼｮｳｺ"),
        ("オーノ", "ｵｰﾉ", "おーの"),
        ("高橋 一郎", "髙橋　一郎", "髙𣘺一郎", "高橋・一郎"),
        ("山崎", "山﨑", "山嵜", "山碕"),
        ("斉藤", "斎藤", "齊藤", "齋藤"),
        ("渡辺", "渡邊", "渡邉", "渡邉\U000e0101"),
        ("浜田", "濱田", "濵田"),
        ("沢口桜", "澤口櫻"),
        ("中島", "中嶋", "中嶌"),
        ("広国", "廣國"),
        ("真恵", "眞惠"),
        ("竜徳", "龍德"),
        ("九条", "九條"),
        ("田渕", "田淵"),
        ("広瀬", "廣瀨"),
        ("与万栄寿円", "與萬榮壽圓"),
        ("学会実蔵静浅", "學會實藏靜淺"),
        ("槙", "槇"),
        ("吉田", "𠮷田"),
        ("神田", "\ufa19田"),  # a compatibility character that NFKC folds
        ("葛城", "葛\U000e0100城", "葛\ufe00城"),
        ("佐々木", "佐佐木", "佐 々 木"),
        ("いすず", "いすゞ", "イスヾ"),
        ("三ケ島", "三ヶ島"),
        ("ＡＢＣ", "abc", "Abc", "a.b.c", "A-B－C"),
        ("José", "JOSE", "Jose\u0301"),
    ],
)
def test_what_a_reader_takes_for_the_same_has_one_key(same: tuple[str, ...]) -> None:
    assert len({search_key(name) for name in same}) == 1
    assert search_key(same[0])


@pytest.mark.parametrize(
    ("one", "other"),
    [("はた", "ばた"), ("ハ", "パ"), ("山田", "山本"), ("おの", "おーの"), ("太郎", "次郎"), ("畠", "畑")],
)
def test_what_differs_keeps_its_own_key(one: str, other: str) -> None:
    assert search_key(one) != search_key(other)


def test_parts_join_without_gap_and_none_is_left_out() -> None:
    assert search_key("山田", None, "太郎", "") == search_key("山田太郎") == "山田太郎"
    assert search_key() == search_key(None) == search_key("・ －％") == ""


def test_every_form_of_the_table_folds_to_a_form_that_stays() -> None:
    groups = names.FORMS.split()
    characters = [char for group in groups for char in group]
    assert len(characters) == len(set(characters)), "a character in two groups"
    for group in groups:
        assert len(group) >= 2
        assert {search_key(form) for form in group} == {group[0]}


def test_the_table_holds_only_what_nfkc_leaves_alone() -> None:
    assert unicodedata.normalize("NFKC", names.FORMS) == names.FORMS


@given(st.text() | JAPANESE)
@example("ゕ\u3099")
@example("ゞ")
@example("ゞゝ")
@example("ゝ々かゝゝ")
@example("あゞゝ々ゞ")
@example("İ")
def test_a_key_is_its_own_key(text: str) -> None:
    key = search_key(text)
    assert search_key(key) == key
    assert fold(fold(text)) == fold(text)
    assert not any(unicodedata.category(char)[0] in "PSZC" for char in key)


@given(JAPANESE, JAPANESE)
def test_width_and_kind_of_kana_do_not_matter(family: str, given_name: str) -> None:
    assert search_key(family, given_name) == search_key(unicodedata.normalize("NFKC", family + given_name))


def test_a_very_long_name_is_folded_in_good_time() -> None:
    assert len(search_key("髙﨑ｶﾞ々" * 25_000)) == 100_000
    assert not is_kana("あ" * 100_000 + "x")


@pytest.mark.parametrize(
    "text", ["やまだ", "ヤマダ", "ﾔﾏﾀﾞ　ﾀﾛｳ", "おーの", "アン・マリー", "すゞ", "ゔぁん", "ヶ"]
)
def test_furigana(text: str) -> None:
    assert is_kana(text)


@pytest.mark.parametrize(
    "text", ["", " ", "・", "ー", "山田", "やまだ1", "yamada", "やまだ太郎", "やまだ\x00"]
)
def test_no_furigana(text: str) -> None:
    assert not is_kana(text)


BORN = date(1986, 5, 1)


def keys(family="山田", given="太郎", family_kana="やまだ", given_kana="たろう", birth: date | None = BORN):
    return identity_keys(
        family=family, given=given, family_kana=family_kana, given_kana=given_kana, birth=birth
    )


@pytest.mark.parametrize(
    "other",
    [
        identity_keys(family="山田", given="太郎", family_kana="やまだ", given_kana="たろう", birth=BORN),
        keys(birth=None),
        keys(birth=date(1990, 1, 1)),  # the same name: ask
        keys(family_kana="", given_kana=""),
        keys(family="山 田", given="太郎　"),
        keys(family="矢間田", given="多朗", family_kana="ヤマダ", given_kana="ﾀﾛｳ"),
        keys(family=None, given=None),
    ],
)
def test_possible_duplicates(other: names.IdentityKeys) -> None:
    assert keys().may_be_same(other)
    assert other.may_be_same(keys())


@pytest.mark.parametrize(
    "other",
    [
        keys(family="矢間田", given="多朗", birth=date(1986, 5, 2)),
        keys(family="矢間田", given="多朗", birth=None),
        keys(family="見本", given="花子", family_kana="みほん", given_kana="はなこ"),
        identity_keys(family=None, given=None, birth=BORN),
        identity_keys(family="", given="", family_kana="", given_kana=""),
    ],
)
def test_different_people(other: names.IdentityKeys) -> None:
    assert not keys().may_be_same(other)
    assert not other.may_be_same(keys())


def test_the_unknown_is_nobody() -> None:
    nobody = identity_keys(family=None, given=None)
    assert not nobody.may_be_same(nobody)


def test_like_pattern_escapes_what_like_would_read() -> None:
    assert like_pattern("山田") == "%山田%"
    assert like_pattern("50%_!") == "%50!%!_!!%"
    assert len(like_pattern("!" * 100_000)) == 2 * LONGEST_QUERY + 2


@given(
    st.text(alphabet="ab%_!\\'", max_size=6),
    st.text(alphabet="ab%_!\\'", max_size=6),
)
def test_a_database_finds_exactly_the_text(query: str, stored: str) -> None:
    database = sqlite3.connect(":memory:")
    try:
        found = database.execute(
            "SELECT ? LIKE ? ESCAPE ?", (stored, like_pattern(query), LIKE_ESCAPE)
        ).fetchone()[0]
    finally:
        database.close()
    assert bool(found) is (query in stored)


@pytest.mark.parametrize(
    "bad", ["\x00", "\x01", "\x08", "\x0b", "\x0c", "\x1b", "\x1f", "\x7f", "\x80", "\x9f"]
)
def test_control_characters_are_refused(bad: str) -> None:
    with pytest.raises(UnusableText) as refusal:
        clean_text(f"山田{bad}太郎")
    assert refusal.value.code is TextCode.CONTROL_CHARACTER
    assert str(refusal.value) == "control_character"


@pytest.mark.parametrize(
    "bad",
    ["\ud800", "\udfff", "\ufffe", "\uffff", "\ufdd0", "\U0001ffff", "\U0010fffe"],  # noqa: PT014
)
def test_what_is_no_character_is_refused(bad: str) -> None:
    with pytest.raises(UnusableText) as refusal:
        clean_text(f"山田{bad}太郎")
    assert refusal.value.code is TextCode.BROKEN_CHARACTER


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("一\r\n二\r三\n四\u2028五\u2029六\u0085七", "一\n二\n三\n四\n五\n六\n七"),
        ("一\r\r\n二", "一\n\n二"),
        ("一\r\u200b\n二", "一\n二"),
        ("a\tb", "a\tb"),
        ("  前後 ", "  前後 "),
        ("a\u200b\u200c\u200d\u200e\u200fb", "ab"),
        ("\u202a\u202b\u202c\u202d\u202e逆", "逆"),
        ("\u2060\u2066\u2069\ufeff\u061cx", "x"),
        ("葛\U000e0100城", "葛\U000e0100城"),
        ("☎\ufe0f", "☎\ufe0f"),
        ("𠮷野家🍚", "𠮷野家🍚"),
        ("\ufa19田 髙﨑", "\ufa19田 髙﨑"),
        ("<script>alert(1)</script> {{ 7*7 }} '; DROP TABLE person;--", None),
        ("", ""),
    ],
)
def test_text_is_kept_but_for_what_deceives(typed: str, kept: str | None) -> None:
    assert clean_text(typed) == (typed if kept is None else kept)


JOINER = "\u200d"


@pytest.mark.parametrize(
    "emoji",
    [
        "👨\u200d👩\u200d👧",  # a family
        "👩🏽\u200d💻",  # a colour of skin before the joiner
        "🧑🏽\u200d🤝\u200d🧑🏻",
        "🏳\ufe0f\u200d🌈",  # a form before the joiner
        "❤\ufe0f\u200d🔥",
        "👁\ufe0f\u200d🗨\ufe0f",
        "🐻\u200d❄\ufe0f",
        "🧑\u200d🦽\u200d➡\ufe0f",
        "⛹🏻\u200d♀\ufe0f",
        "1\ufe0f\u20e3",  # a keycap, no joiner in it
        "🇯🇵",
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    ],
)
def test_joined_emoji_stay_joined(emoji: str) -> None:
    assert clean_text(emoji) == emoji
    assert clean_text(f"カフェ{emoji}に来た") == f"カフェ{emoji}に来た"
    assert clean_text(f"{emoji}\u200b{emoji}") == emoji + emoji
    assert without_unusable(f"{emoji}\x00") == emoji


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("山\u200d田", "山田"),
        ("a\u200db", "ab"),
        ("1\u200d2", "12"),
        ("葛\U000e0100\u200d城", "葛\U000e0100城"),  # a form of kanji is no emoji
        ("a\ufe0f\u200d👧", "a\ufe0f👧"),
        ("👨\u200d", "👨"),
        ("\u200d👧", "👧"),
        ("👨\u200d太郎", "👨太郎"),
        ("太郎\u200d👧", "太郎👧"),
        ("👨\u200d\u200d👧", "👨👧"),
        ("👨\u200d\n\u200d👧", "👨\n👧"),
        ("👨\u200b\u200d👧", "👨\u200d👧"),
        ("©\u200d®", "©®"),
        ("❶\u200d❷", "❶❷"),
        ("👨\u200c👧", "👨👧"),
    ],
)
def test_a_joiner_joins_nothing_but_emoji(typed: str, kept: str) -> None:
    assert clean_text(typed) == kept
    assert clean_text(kept) == kept


def test_who_searches_need_not_type_the_joiner() -> None:
    assert fold("👨\u200d👩見本") == fold("👨👩見本") == fold("見本")
    assert is_blank(JOINER)


@given(
    st.text(alphabet=st.characters(exclude_categories=()))
    | st.text(alphabet="\r\n\u200b\u2028a\x00\ud800\uffff")
    | st.text(alphabet="\u200b\u200d\ufe0f\x00\uffffa👨👧🏽")
)
def test_clean_text_is_clean_or_refused(text: str) -> None:
    rescued = without_unusable(text)
    assert clean_text(rescued) == rescued
    rescued.encode()
    assert "\x00" not in rescued
    try:
        cleaned = clean_text(text)
    except UnusableText:
        return
    assert cleaned == rescued == clean_text(cleaned)


@pytest.mark.parametrize("text", ["", " ", "　", "\n\t", "\u200b", "\ufeff　\u2060"])
def test_blank(text: str) -> None:
    assert is_blank(text)


@pytest.mark.parametrize("text", ["0", "。", " 山 "])
def test_not_blank(text: str) -> None:
    assert not is_blank(text)
