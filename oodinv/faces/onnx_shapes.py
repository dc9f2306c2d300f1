"""Let an ONNX network take inputs of any size, and run as fast as it can, without the `onnx` package.

The published CenterFace file states one fixed input size (10, 3, 32, 32), although it is fully convolutional,
and onnxruntime refuses any other size. In the protobuf wire format a small fixed dimension is two bytes
(field 1 `dim_value`: `08 nn`), and an unnamed free dimension is two bytes as well (field 2 `dim_param`, empty
string: `12 00`). So the sizes are freed in place: no length in the file changes.

Its exporter also lists every weight among the inputs, from where a caller could replace it, and onnxruntime prepares
nothing of such weights ahead: it runs half as fast. Listed as `value_info`, which has the same form, they are constant.
"""

from collections.abc import Iterator

# Field numbers of onnx.proto: ModelProto.graph, GraphProto.input / .output, ValueInfoProto.type,
# TypeProto.tensor_type, TypeProto.Tensor.shape, TensorShapeProto.dim.
_GRAPH = 7
_INPUT, _OUTPUT, _VALUE_INFO = 11, 12, 13
_PATH_TO_DIM = (2, 1, 2, 1)
_FREE_DIMENSION = b"\x12\x00"


def free_input_sizes(model: bytes) -> bytes:
    """Make every fixed dimension of the graph's real inputs and outputs free.

    Weights that old exporters list among the inputs are left as they are: only dimensions of four-axis inputs
    whose name is not an initializer's are touched.

    Args:
        model: A serialised ONNX ModelProto.

    Returns:
        The same model, same length, with free sizes.

    Raises:
        ValueError: The bytes are not such a model, or it has no input with a fixed size.
    """
    patched = bytearray(model)
    freed = 0
    for start, end in _fields(model, 0, len(model), _GRAPH):
        weights = {_name(model, *span, field=8) for span in _fields(model, start, end, 5)}
        for which in (_INPUT, _OUTPUT):
            for span in _fields(model, start, end, which):
                if _name(model, *span, field=1) not in weights:
                    freed += _free_dimensions(model, patched, span)
    if not freed:
        raise ValueError("expected an ONNX network with inputs of a fixed size, found no such input")
    return bytes(patched)


def fix_weights(model: bytes) -> bytes:
    """List the graph's weights as constants instead of inputs.

    Args:
        model: A serialised ONNX ModelProto.

    Returns:
        The same model, same length; unchanged where no weight is an input.

    Raises:
        ValueError: The bytes are not such a model.
    """
    patched = bytearray(model)
    for start, end in _fields(model, 0, len(model), _GRAPH):
        weights = {_name(model, *span, field=8) for span in _fields(model, start, end, 5)}
        for span in _fields(model, start, end, _INPUT):
            if _name(model, *span, field=1) in weights:
                tag = span[0] - _varint_size(span[1] - span[0]) - 1
                if model[tag] != _INPUT << 3 | 2:
                    raise ValueError("not an ONNX file: a length is written in more bytes than it needs")
                patched[tag] = _VALUE_INFO << 3 | 2
    return bytes(patched)


def _free_dimensions(model: bytes, patched: bytearray, span: tuple[int, int]) -> int:
    spans = [span]
    for field in _PATH_TO_DIM:
        spans = [inner for outer in spans for inner in _fields(model, *outer, field)]
    fixed = [(start, end) for start, end in spans if end - start == 2 and model[start] == 0x08]
    for start, end in fixed:
        patched[start:end] = _FREE_DIMENSION
    return len(fixed)


def _name(model: bytes, start: int, end: int, *, field: int) -> bytes:
    return next((model[a:b] for a, b in _fields(model, start, end, field)), b"")


def _fields(data: bytes, start: int, end: int, wanted: int) -> Iterator[tuple[int, int]]:
    """Spans of the length-delimited fields numbered `wanted` in the message data[start:end]."""
    position = start
    while position < end:
        tag, position = _varint(data, position, end)
        wire_type = tag & 7
        if wire_type == 0:
            _, position = _varint(data, position, end)
        elif wire_type == 1:
            position += 8
        elif wire_type == 5:
            position += 4
        elif wire_type == 2:
            size, position = _varint(data, position, end)
            if position + size > end:
                raise ValueError("not an ONNX file: a field runs past its message")
            if tag >> 3 == wanted:
                yield position, position + size
            position += size
        else:
            raise ValueError(f"not an ONNX file: unknown wire type {wire_type}")


def _varint(data: bytes, position: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= end:
            break
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError("not an ONNX file: a number is cut off")


def _varint_size(value: int) -> int:
    return max(1, -(-value.bit_length() // 7))
