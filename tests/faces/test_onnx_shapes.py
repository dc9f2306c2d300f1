import pytest

from oodinv.faces.onnx_shapes import fix_weights, free_input_sizes


def field(number: int, content: bytes) -> bytes:
    size = len(content)
    return bytes([number << 3 | 2]) + (bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7])) + content


def value_info(name: bytes, sizes: list[int]) -> bytes:
    dims = b"".join(field(1, bytes([0x08, size])) for size in sizes)
    tensor = b"\x08\x01" + field(2, dims)
    return field(1, name) + field(2, field(1, tensor))


def model(*graph: bytes) -> bytes:
    return b"\x08\x04" + field(2, b"a tool") + field(7, b"".join(graph))


def test_sizes_of_inputs_and_outputs_are_freed_in_place_and_those_of_weights_are_not():
    picture, answer = value_info(b"picture", [10, 3, 32, 32]), value_info(b"answer", [10, 1])
    weight = value_info(b"weight", [3, 8])
    initializer = field(5, b"\x08\x03\x08\x08" + field(8, b"weight"))
    fixed = model(initializer, field(11, picture), field(11, weight), field(12, answer))
    freed = free_input_sizes(fixed)
    assert len(freed) == len(fixed)
    assert weight in freed
    assert initializer in freed
    assert freed.count(b"\x0a\x02\x12\x00") == 6
    assert b"\x08\x20" not in freed


@pytest.mark.parametrize(
    "content",
    [b"", b"\x3a", b"\x3a\x7fabc", b"<html>not a network</html>", model(), model(field(11, value_info(b"scalar", [])))],
)
def test_what_is_no_such_network_is_refused(content):
    with pytest.raises(ValueError, match="ONNX"):
        free_input_sizes(content)


def test_weights_become_constants_in_place_and_inputs_stay():
    picture, weight = value_info(b"picture", [10, 3]), value_info(b"weight", [3, 8])
    long = value_info(b"bias" + b"s" * 200, [3])
    names = [field(8, b"weight"), field(8, b"bias" + b"s" * 200)]
    before, after = (
        model(field(5, names[0]), field(5, names[1]), field(11, picture), field(number, weight), field(number, long))
        for number in (11, 13)
    )
    assert fix_weights(before) == after
    assert fix_weights(after) == after


@pytest.mark.parametrize("content", [b"\x3a", b"\x3a\x7fabc", b"<html>not a network</html>"])
def test_weights_of_what_is_no_network_are_refused(content):
    with pytest.raises(ValueError, match="ONNX"):
        fix_weights(content)
