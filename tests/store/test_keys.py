import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from oodinv.store.keys import check_key, key_path, text_key

# Any bytes but NUL and slash can stand in a file name; percent signs and hex digits provoke the escapes.
names = st.lists(st.sampled_from([b"%", b"2", b"5", b"80", b"F", b"a", b"\xff", b"\xc3\xa9", b"\n", b".."]), min_size=1)
paths = st.lists(names.map(b"".join) | st.binary(min_size=1, max_size=20), min_size=1, max_size=3).map(b"/".join)


def is_path(path: bytes) -> bool:
    return b"\0" not in path and not any(part in (b"", b".", b"..") for part in path.split(b"/"))


@settings(max_examples=300)
@given(paths.filter(is_path))
@example(b"%\xff")
@example(b"%2\xff5")
@example(b"%%25")
def test_a_key_leads_back_to_its_file_and_is_valid_unicode(path):
    key = text_key(path)
    key.encode("utf-8")
    assert key_path(key) == path


@settings(max_examples=100)
@given(paths, paths)
def test_two_files_never_share_a_key(one, other):
    assert (text_key(one) == text_key(other)) == (one == other)


@pytest.mark.parametrize("name", ["a/b c.jpg", "100%.jpg", "50%off.png", "Grüße\n.jpg", "a..b/..c.jpg", "%20.jpg"])
def test_ordinary_names_stay_as_they_are(name):
    assert text_key(name.encode()) == name


@pytest.mark.parametrize("key", ["../x.jpg", "a/../../x.jpg", "/etc/passwd", "a//b", "./a", "", "a\0b", "a/.."])
def test_a_source_key_cannot_lead_out(key):
    with pytest.raises(ValueError, match="below the source"):
        key_path(key)


@pytest.mark.parametrize(
    "key", ["", "/a", "a/", "a//b", "../a", "a/../b", "a b", "ä", "a\n", ".tmp/x", "a/.b", "a\\b", "x" * 256]
)
def test_our_own_keys_are_narrow(key):
    with pytest.raises(ValueError, match="bad object key"):
        check_key(key)


def test_a_good_key_comes_back_unchanged():
    assert check_key("products/smile_p1.50-77d01b3e/commits/1-000000.0.json").endswith(".json")
