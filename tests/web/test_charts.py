"""Charts: what they say without colour or script, and that nothing typed gets out of its place in them."""

import xml.etree.ElementTree as ElementTree

from flask import Flask

from portal.web import charts

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = '"><script>alert(1)</script>&'


def drawn(app: Flask, *given: object, **more: object) -> ElementTree.Element:
    with app.test_request_context():
        return ElementTree.fromstring(str(charts.bars(*given, **more)))  # type: ignore[arg-type]  # noqa: S314 (our own)


def test_each_number_stands_at_its_bar(app: Flask) -> None:
    picture = drawn(app, [0, 4, 2, None], ["4月", "5月", "6月", "7月"], title="見本カフェ")
    heights = [float(bar.attrib["height"]) for bar in picture.iter(f"{SVG}rect")]
    assert len(heights) == 2, "nothing is drawn for zero or for what has not come"
    assert heights[0] == 2 * heights[1]
    words = [word.text for word in picture.iter(f"{SVG}text")]
    assert words == ["0", "4", "2", "4月", "5月", "6月", "7月"]
    assert picture.find(f"{SVG}title").text == "見本カフェ"  # type: ignore[union-attr]
    assert picture.find(f"{SVG}desc").text == "4月 0、5月 4、6月 2"  # type: ignore[union-attr]
    assert picture.attrib["role"] == "img"


def test_a_word_for_a_number_tells_no_height(app: Flask) -> None:
    pictures = [drawn(app, ["少数", 8], ["4月", "5月"], title="見本") for _time in range(2)]
    first = next(pictures[0].iter(f"{SVG}rect"))
    assert first.attrib["height"] == "5"
    assert "少数" in [word.text for word in pictures[0].iter(f"{SVG}text")]


def test_nothing_typed_leaves_its_place_and_nothing_is_inline(app: Flask) -> None:
    with app.test_request_context():
        for picture in (
            charts.bars([1], [HOSTILE], title=HOSTILE),
            charts.shares([(HOSTILE, [1, 0, 2])], ["a", HOSTILE, "c"], title=HOSTILE),
        ):
            assert "<script" not in picture
            assert " style=" not in picture
            ElementTree.fromstring(str(picture))  # noqa: S314 (our own)


def test_nothing_at_all_is_a_picture_too(app: Flask) -> None:
    assert drawn(app, [], [], title="空").attrib["viewBox"]
    with app.test_request_context():
        assert "<rect" not in charts.shares([("目標", [0, 0, 0])], ["a", "b", "c"], title="空")
