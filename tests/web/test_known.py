"""What is made once for all pages: addresses without values, words without values. Neither holds anything of a reader."""

from flask import Flask, render_template_string, session, url_for


def test_an_address_is_remembered_for_its_prefix_alone(app: Flask) -> None:
    for prefix in ("", "/tsunagu", ""):
        with app.test_request_context("/people/", environ_overrides={"SCRIPT_NAME": prefix}):
            assert url_for("people.index") == f"{prefix}/people/"
            assert url_for(".index") == f"{prefix}/people/"
    with app.test_request_context("/referrals/"):
        assert url_for(".index") == "/referrals/"
        assert url_for("referrals.index", box="in") == "/referrals/?box=in"
        assert url_for("referrals.index", _external=True).startswith("http")


def test_a_word_is_remembered_for_its_language_alone(app: Flask) -> None:
    said = []
    for language in ("ja", "en", "ja"):
        with app.test_request_context("/"):
            session["language"] = language
            said.append(render_template_string('{{ _("つなぎ") }}'))
    assert said[0] == said[2] == "つなぎ"
    assert said[1].isascii()


def test_what_is_put_into_a_word_is_escaped_and_not_remembered(app: Flask) -> None:
    with app.test_request_context("/"):
        for name, shown in (("<b>", "&lt;b&gt;"), ("太郎", "太郎")):
            text = render_template_string('{{ _("%(name)s（匿名で依頼）", name=name) }}', name=name)
            assert text == f"{shown}（匿名で依頼）"
