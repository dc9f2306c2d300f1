import base64
import hashlib
import html
import json
import re
from html.parser import HTMLParser

import pytest
from galleries import HOSTILE, SCRIPT, edited, face, failed, failure, gallery, picture
from hypothesis import given, settings
from hypothesis import strategies as st

from oodinv.report.gallery import FaceEdit, gallery_page
from oodinv.report.gallery.foreign import escaped, script_json, visible


class Elements(HTMLParser):
    """All start tags with their attributes; what stands in scripts and styles; all other text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.raw, self.text, self._inside = [], {}, "", None
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._inside = tag + dict(attrs).get("id", "")

    def handle_endtag(self, tag):
        if tag in ("script", "style"):
            self._inside = None

    def handle_data(self, data):
        if self._inside:
            self.raw[self._inside] = self.raw.get(self._inside, "") + data
        else:
            self.text += data

    def data(self):
        return json.loads(self.raw["scriptdata"])


def cells(page, table):
    """The rows of a table by its class, as text."""
    body = re.search(rf'<table class="{table}">.*?</table>', page, re.DOTALL)[0]
    rows = re.findall(r"<tr.*?</tr>", body, re.DOTALL)
    return [[html.unescape(re.sub(r"<[^>]*>", "", cell)) for cell in re.findall(r"<t[hd].*?</t[hd]>", r)] for r in rows]


def policy(page):
    (found,) = (attrs["content"] for tag, attrs in Elements(page).tags if "Content-Security-Policy" in attrs.values())
    return dict(part.split(" ", 1) for part in found.split("; "))


def test_equal_galleries_give_equal_pages():
    assert gallery_page(gallery()) == gallery_page(gallery())
    assert gallery_page(gallery()) != gallery_page(gallery(snapshot=4))


def test_counts_add_up_and_what_is_missing_is_pending():
    head, *lines = cells(gallery_page(gallery()), "status")
    assert head == ["product", "shares", "photos", "ok", "skipped", "failed", "quarantined", "pending"]
    assert [line[0] for line in lines] == ["faces faces-00000000", "smile +2 smile_p2.00-00000000"]
    for line, pending in zip(lines, (0, 1), strict=True):
        planned, *parts = map(int, line[2:])
        assert planned == sum(parts) == 10 and parts[-1] == pending


def test_a_face_has_its_pictures_and_numbers():
    data = Elements(gallery_page(gallery())).data()
    assert data["edits"] == ["smile +2", "age −1"]
    first = data["faces"][0]
    smile, age = first["views"]
    assert smile["numbers"] == [["OOD area", "25.0%"], ["PSNR", "21.0 dB"]] and age["numbers"] == []
    shown = [base64.b64decode(data["pictures"][index]) for index in (first["photo"], smile["result"], age["result"])]
    assert shown == [picture("red"), picture("blue"), picture("lime")]
    assert base64.b64decode(data["pictures"][first["reconstruction"]["result"]]) == picture("grey")
    assert base64.b64decode(data["pictures"][age["mask"]]) == picture("white", "L")


def test_a_failed_edit_says_why_and_has_no_picture():
    _, view = Elements(gallery_page(gallery())).data()["faces"][1]["views"]
    assert view == {
        "status": "failed", "reason": "runtime-error: no luck", "result": None, "mask": None, "numbers": [],
    }  # fmt: skip


def test_each_picture_is_carried_once():
    pictures = Elements(gallery_page(gallery())).data()["pictures"]
    assert len(pictures) == len(set(pictures)) == 5  # red, blue, lime, grey and one mask


def test_a_mask_that_moves_with_the_edit_is_not_the_reconstructions():
    other = FaceEdit(status="ok", result=picture("lime"), mask=picture("black", "L"))
    shown = gallery(faces=[face("a", edited("blue"), edited("lime")), face("b", edited("blue"), other)])
    same, moved = Elements(gallery_page(shown)).data()["faces"]
    assert same["reconstruction"]["mask"] == same["views"][0]["mask"]
    assert moved["reconstruction"]["mask"] is None


def test_failures_are_listed_with_what_they_concern():
    _, *lines = cells(gallery_page(gallery()), "failures")
    assert lines == [
        ["broken.jpg", "failed", "all", "truncated", "cut off"],
        ["only-age.jpg", "failed", "age −1", "truncated", "cut off"],
        ["table.jpg", "skipped", "all", "truncated", "no face"],
    ]


def test_failures_that_are_not_listed_are_counted():
    page = gallery_page(gallery(unlisted={"failed": 0, "skipped": 1234}))
    assert "… and 1,234 more skipped." in page and "1,237 photos without result" in page
    assert "more" not in Elements(gallery_page(gallery())).text


def test_without_scripts_the_faces_are_a_table():
    text = " ".join(Elements(gallery_page(gallery())).text.split())
    assert "a.jpg1 of 1ok: OOD area 25.0%, PSNR 21.0 dBok" in text
    assert "b/two.jpg1 of 1okfailed: runtime-error: no luck" in text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"snapshot": None, "edits": [], "products": []}, "Nothing is published here yet"),
        ({"edits": []}, "no edit in this dataset"),
        ({}, "no previews in this dataset"),
    ],
)
def test_a_page_without_faces_says_so(changes, said):
    page = gallery_page(gallery(**{"faces": [], "failures": []} | changes))
    assert said in page and re.search(r'<section id="faces" hidden', page)
    assert said not in gallery_page(gallery())


def test_a_face_with_another_number_of_edits_is_refused():
    with pytest.raises(ValueError, match="needs 2 edits, got 1"):
        gallery(faces=[face("a", edited("blue"))])


def test_the_policy_allows_this_style_and_this_script_and_nothing_else():
    page = gallery_page(gallery())
    raw = Elements(page).raw
    hashes = {
        name: f"'sha256-{base64.b64encode(hashlib.sha256(raw[name].encode()).digest()).decode()}'"
        for name in ("script", "style")
    }
    assert policy(page) == {
        "default-src": "'none'",
        "img-src": "data:",
        "style-src": hashes["style"],
        "script-src": hashes["script"],
        "base-uri": "'none'",
        "form-action": "'none'",
        "require-trusted-types-for": "'script'",
    }
    styled = [attrs for _, attrs in Elements(page).tags if "style" in attrs or any(a.startswith("on") for a in attrs)]
    assert styled == []  # the policy would block them


def test_nothing_on_the_page_points_outside():
    page = gallery_page(gallery())
    for _, attrs in Elements(page).tags:
        for name in ("src", "href", "srcset", "action", "poster", "data"):
            assert attrs.get(name, "data:").startswith(("data:", "#"))
    raw = Elements(page).raw
    assert not re.search(r"url\(|@import|https?:", raw["style"])
    assert not re.search(r"https?:|fetch|XMLHttp|import|innerHTML|insertAdjacent|document\.write", raw["script"])


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_hostile_text_stays_text_everywhere(text):
    harmless, hostile = gallery(), gallery(
        title=text,
        facts=[(text, text)],
        edits=[text, text],
        faces=[face(text, edited("blue"), failed(text))],
        failures=[failure(text, message=text)],
    )  # fmt: skip
    plain, attacked = Elements(gallery_page(harmless)), Elements(gallery_page(hostile))
    assert {tag for tag, _ in attacked.tags} <= {tag for tag, _ in plain.tags}
    assert sum(tag == "script" for tag, _ in attacked.tags) == 2
    assert attacked.raw["script"] == plain.raw["script"] and attacked.raw["style"] == plain.raw["style"]
    assert attacked.data()["faces"][0]["key"] == visible(text)
    assert visible(text, 300) in attacked.text or visible(text, 120)[:100] in attacked.text
    assert not set(gallery_page(hostile)) & set("\u202e\u2066\u2028\u2029\x00\x1b\r")


def test_control_and_direction_characters_are_spelt_out():
    assert visible("a\u202egpj.exe\n") == "a⟨U+202E⟩gpj.exe⟨U+000A⟩"
    assert visible("日本語 é.jpg") == "日本語 é.jpg"


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=100))
def test_any_text_is_printable_bounded_and_free_of_markup(text):
    assert visible(text).isprintable() and len(visible(text, 20)) <= 20
    assert not set(escaped(text)) & set("<>\"'") and html.unescape(escaped(text)) == visible(text)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text(max_size=30), st.text(max_size=30)))
def test_json_for_a_script_reads_back_and_cannot_end_it(value):
    text = script_json(value)
    assert json.loads(text) == value
    assert text.isascii() and not set(text) & set("<>&")


def test_the_escape_test_would_notice_markup():
    assert any(tag == "script" for tag, _ in Elements(f"<p>{SCRIPT}").tags)
