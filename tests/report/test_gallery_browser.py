"""The gallery in a browser: its controls work, and nothing on it reaches out or runs what it should not."""

import http.server
import threading
from contextlib import contextmanager
from functools import partial

import pytest
from browser import open_browser
from galleries import HOSTILE, SCRIPT, edited, face, failed, failure, gallery

from oodinv.report.gallery import gallery_page


@pytest.fixture(scope="module")
def browser():
    with open_browser() as found:
        yield found


@pytest.fixture
def opened(browser, tmp_path):
    """Opens a gallery's page from its file; remembers requests, errors and what the policy blocked."""
    contexts = []

    def open_page(shown, **options):
        context = browser.new_context(viewport={"width": 1200, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.requests, page.errors = [], []
        page.on("request", lambda request: page.requests.append(request.url))
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.on("console", lambda message: page.errors.append(message.text))  # the policy's refusals come here
        file = tmp_path / f"{len(contexts)}.html"
        file.write_bytes(gallery_page(shown).encode())
        page.goto(file.as_uri())
        page.address = file.as_uri()
        return page

    yield open_page
    for context in contexts:
        context.close()


def card(page, key):
    return page.locator("article").filter(has=page.get_by_role("heading", name=key, exact=True))


def cards(page):
    """Keys of the cards that show."""
    return page.locator("article:visible h3").all_text_contents()


def failures(page):
    """Keys of the failures that show."""
    return page.locator(".failures tbody tr:visible th").all_text_contents()


def clip(page, key, part=".result"):
    return card(page, key).locator(part).evaluate("node => getComputedStyle(node).clipPath")


def choose(page, group, value):
    page.get_by_role("search").get_by_role("group", name=group).get_by_label(value, exact=True).check()


def colour(page, key, part):
    """The middle pixel of a picture."""
    return (
        card(page, key)
        .locator(part)
        .evaluate("""async node => {
            await node.decode();
            const paper = new OffscreenCanvas(1, 1).getContext("2d");
            paper.drawImage(node, 16, 16, 1, 1, 0, 0, 1, 1);
            return [...paper.getImageData(0, 0, 1, 1).data].slice(0, 3).map(value => Math.round(value / 255));
        }""")
    )


def test_the_slider_moves_with_the_keyboard(opened):
    page = opened(gallery())
    slider = card(page, "a.jpg").get_by_role("slider", name="Photo on the left, smile +2 on the right: a.jpg")
    assert clip(page, "a.jpg") == "inset(0px 0px 0px 50%)"
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert clip(page, "a.jpg") == "inset(0px 0px 0px 51%)"
    page.keyboard.press("End")
    assert clip(page, "a.jpg") == "inset(0px 0px 0px 100%)"
    assert slider.get_attribute("aria-valuetext") == "100 % photo"
    assert clip(page, "b/two.jpg") == "inset(0px 0px 0px 50%)"


def test_the_slider_follows_the_mouse(opened):
    page = opened(gallery())
    box = card(page, "a.jpg").locator(".stage").bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.5, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.25, middle)
    assert clip(page, "a.jpg") == "inset(0px 0px 0px 25%)"
    page.mouse.up()
    page.mouse.move(box["x"] + box["width"] * 0.75, middle)
    assert clip(page, "a.jpg") == "inset(0px 0px 0px 25%)"  # let go


def test_the_slider_follows_a_finger(opened):
    page = opened(gallery(), has_touch=True)
    stage = card(page, "a.jpg").locator(".stage")
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] * 0.75, box["y"] + box["height"] / 2)
    assert clip(page, "a.jpg") == "inset(0px 0px 0px 75%)"


def test_edits_switch(opened):
    page = opened(gallery())
    assert colour(page, "a.jpg", ".stage .photo") == [1, 0, 0]
    assert colour(page, "a.jpg", ".stage .result") == [0, 0, 1]
    assert card(page, "a.jpg").locator(".numbers").text_content() == "OOD area25.0%PSNR21.0 dB"
    card(page, "a.jpg").get_by_label("age −1").check()
    assert colour(page, "a.jpg", ".stage .result") == [0, 1, 0]
    assert card(page, "a.jpg").locator(".right").text_content() == "age −1"
    assert card(page, "a.jpg").locator(".numbers").text_content() == ""
    page.keyboard.press("ArrowRight")  # the reconstruction follows the edits
    assert card(page, "a.jpg").locator(".right").text_content() == "reconstruction"
    assert colour(page, SCRIPT, ".stage .result") == [0, 0, 1]  # the other cards stay


def test_a_failed_edit_shows_its_reason_in_place_of_a_result(opened):
    page = opened(gallery())
    two = card(page, "b/two.jpg")
    assert two.locator(".reason").is_hidden() and two.locator(".result").is_visible()
    two.get_by_label("age −1").check()
    assert two.locator(".reason").text_content() == "age −1: failed – runtime-error: no luck"
    assert two.locator(".result").is_hidden() and two.locator(".compare").is_disabled()


def test_the_mask_lies_over_the_photo_when_it_is_switched_on(opened):
    page = opened(gallery())
    mask, switch = card(page, "a.jpg").locator(".mask"), card(page, "a.jpg").get_by_role("button", name="Mask of")
    assert mask.is_hidden() and switch.get_attribute("aria-pressed") == "false"
    switch.click()
    assert mask.is_visible() and switch.get_attribute("aria-pressed") == "true"
    assert clip(page, "a.jpg", ".mask") == "inset(0px 50% 0px 0px)"
    assert mask.evaluate("node => getComputedStyle(node).maskImage").startswith('url("data:image/jpeg;base64,')
    assert card(page, "b/two.jpg").locator(".mask").is_hidden()


def test_the_mask_is_seen(opened):
    page = opened(gallery())
    stage = card(page, "a.jpg").locator(".stage")
    before = stage.screenshot()
    page.get_by_role("button", name="on all").click()
    masked = stage.screenshot()
    page.get_by_label("Opacity of the masks").fill("10")
    assert len({before, masked, stage.screenshot()}) == 3


def test_masks_are_switched_together_and_share_an_opacity(opened):
    page = opened(gallery())
    page.get_by_role("button", name="on all").click()
    assert all(mask.is_visible() for mask in page.locator("article .mask").all())
    page.get_by_label("Opacity of the masks").fill("20")
    assert page.locator("article .mask").first.evaluate("node => getComputedStyle(node).opacity") == "0.2"
    page.get_by_role("button", name="on all").click()
    assert not any(mask.is_visible() for mask in page.locator("article .mask").all())


def test_the_status_filters_cards_and_failures(opened):
    page = opened(gallery())
    assert cards(page) == ["a.jpg", "b/two.jpg", SCRIPT]
    assert failures(page) == ["broken.jpg", "only-age.jpg", "table.jpg"]
    choose(page, "Status", "failed")
    assert cards(page) == ["b/two.jpg"] and failures(page) == ["broken.jpg", "only-age.jpg"]
    assert card(page, "b/two.jpg").locator(".reason").is_visible()  # the edit that failed is the one that shows
    assert page.get_by_role("status").text_content() == "1 of 3 faces"
    choose(page, "Status", "skipped")
    assert cards(page) == [] and failures(page) == ["table.jpg"]
    assert page.get_by_text("No face fits the filters.").is_visible()


def test_the_edit_filters_and_shows_itself_on_every_card(opened):
    page = opened(gallery())
    choose(page, "Edit", "smile +2")
    assert failures(page) == ["broken.jpg", "table.jpg"]
    choose(page, "Edit", "age −1")
    assert failures(page) == ["broken.jpg", "only-age.jpg", "table.jpg"]
    assert page.locator("article .right").all_text_contents() == ["age −1"] * 3
    choose(page, "Status", "ok")
    assert cards(page) == ["a.jpg", SCRIPT]


def test_the_search_finds_part_of_a_key_whatever_its_case(opened):
    page = opened(gallery())
    page.get_by_label("Search keys").fill("TWO")
    assert cards(page) == ["b/two.jpg"] and failures(page) == []
    assert page.get_by_text("None of them fits the filters.").is_visible()
    page.get_by_label("Search keys").fill("<script>")
    assert cards(page) == [SCRIPT]
    page.get_by_label("Search keys").fill("")
    assert len(cards(page)) == 3


def hostile_gallery():
    return gallery(
        title=SCRIPT,
        facts=[(text, text) for text in HOSTILE],
        edits=[SCRIPT, HOSTILE[3]],
        faces=[face(text, edited("blue"), failed(text)) for text in HOSTILE],
        failures=[failure(text, message=text) for text in HOSTILE],
    )


def use_everything(page):
    for name in ("failed", "all"):
        choose(page, "Status", name)
    page.get_by_role("button", name="on all").click()
    page.evaluate("for (const radio of document.querySelectorAll('.views input')) radio.click()")


def test_keys_and_messages_stay_text(opened):
    page = opened(hostile_gallery())
    use_everything(page)
    assert page.evaluate("window.hacked") is None
    assert page.locator("h3").first.text_content() == SCRIPT
    assert page.title() == f"{SCRIPT} · gallery"
    assert page.locator("script").count() == 2 and page.locator("img[onerror]").count() == 0


def test_no_request_leaves_the_page_and_none_is_blocked(opened):
    page = opened(hostile_gallery())
    use_everything(page)
    assert page.requests == [page.address]
    assert page.errors == []


@contextmanager
def served(folder):
    """The folder on a port of this machine; yields its address and the paths that were asked for."""
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_request(self, code="-", size="-"):
            asked.append(self.path)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()


def test_the_policy_stops_what_somebody_adds(opened, tmp_path):
    page = opened(gallery())
    with served(tmp_path) as (address, asked):
        for attack in (
            f'Object.assign(document.createElement("img"), {{src: "{address}/leak.png"}})',
            'Object.assign(document.createElement("script"), {text: "window.hacked = 1"})',
            'document.createRange().createContextualFragment("<p style=color:red>")',
        ):
            before = len(page.errors)
            page.evaluate(
                f"() => {{ try {{ document.body.append({attack}) }} catch (error) {{ console.error(error) }} }}"
            )
            page.wait_for_timeout(100)
            assert len(page.errors) > before, attack
        assert page.evaluate("window.hacked") is None and asked == []
        assert page.requests == [page.address, f"{address}/leak.png"]  # what is blocked is in the log, too


def test_a_server_is_asked_for_the_page_only(browser, tmp_path):
    (tmp_path / "gallery.html").write_bytes(gallery_page(gallery()).encode())
    with served(tmp_path) as (address, asked), browser.new_page() as page:
        page.goto(f"{address}/gallery.html")
        assert cards(page) == ["a.jpg", "b/two.jpg", SCRIPT]
        page.wait_for_timeout(300)  # a browser asks for an icon a little later
    assert asked == ["/gallery.html"]


@pytest.mark.parametrize("width", [320, 400, 768, 1600])
def test_nothing_is_wider_than_the_window(opened, width):
    page = opened(hostile_gallery())
    page.set_viewport_size({"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_without_scripts_the_tables_show(opened):
    page = opened(gallery(), java_script_enabled=False)
    assert page.locator("noscript p").is_visible()
    assert page.locator("noscript td").all_text_contents()[1:3] == ["ok: OOD area 25.0%, PSNR 21.0 dB", "ok"]
    assert page.get_by_role("cell", name="cut off").first.is_visible()
    assert page.get_by_role("search").is_hidden() and cards(page) == []


def test_a_page_without_faces_has_no_controls_for_them(opened):
    page = opened(gallery(faces=[], failures=[], snapshot=None, edits=[], products=[]))
    assert page.get_by_text("Nothing is published here yet").is_visible()
    assert page.get_by_role("search").is_hidden()
    assert page.get_by_role("heading").all_text_contents() == ["holiday"] and page.errors == []


def test_a_machine_of_the_ci_needs_a_browser(monkeypatch):
    monkeypatch.setattr("browser.find_browser", lambda: None)
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception), open_browser():
        pass
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no browser"), open_browser():
        pass
