import io
import os
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from oodinv.bundles.shape import generator_shape
from oodinv.edits import EditError
from oodinv.edits.directions import Direction, read_direction
from oodinv.models.stylegan2 import Generator, GeneratorConfig

RNG = np.random.default_rng(0)
ROW = RNG.standard_normal(512).astype(np.float32)
ROWS = RNG.standard_normal((18, 512)).astype(np.float32)
STYLE = RNG.standard_normal(9088).astype(np.float32)
SHAPES = [
    ((512,), ROW, "w"),
    ((1, 512), ROW, "w"),
    ((18, 512), ROWS, "w_plus"),
    ((1, 18, 512), ROWS, "w_plus"),
    ((9216,), ROWS, "w_plus"),
    ((1, 9216), ROWS, "w_plus"),
    ((9088,), STYLE, "style"),
    ((1, 9088), STYLE, "style"),
]


def write(path, array):
    """The array as `.npy` or `.pt`, as the name says."""
    if path.suffix == ".npy":
        np.save(path, array)
    else:
        torch.save(torch.from_numpy(np.array(array)), path)
    return str(path)


def refusal(text, shape):
    with pytest.raises(EditError) as caught:
        read_direction(str(text), shape)
    return str(caught.value)


def test_the_shape_of_the_published_generator_is_that_of_the_network(ffhq):
    with torch.device("meta"):
        assert generator_shape(Generator(GeneratorConfig(resolution=1024))) == ffhq
    assert ffhq.num_style_channels == 9088
    conv = [width for index, width in enumerate(ffhq.style_widths) if index not in ffhq.rgb_layers]
    assert (len(ffhq.style_widths), sum(conv)) == (26, 6048)  # as StyleCLIP's files have them


@pytest.mark.parametrize("suffix", ["npy", "pt"])
@pytest.mark.parametrize(("came", "values", "space"), SHAPES)
def test_every_published_shape_comes_back_as_it_was_written(ffhq, tmp_path, suffix, came, values, space):
    read = read_direction(write(tmp_path / f"smile.{suffix}", values.reshape(came)), ffhq)
    assert (read.space, read.layers, read.unit, read.safe_range) == (space, (0, 18), None, (-3.0, 3.0))
    assert read.tensor.dtype == torch.float32 and np.array_equal(read.tensor.numpy(), values)


@pytest.mark.parametrize("kind", [np.float16, np.float64, ">f4", np.int16, np.uint8])
def test_any_real_number_type_is_read(ffhq, tmp_path, kind):
    values = np.arange(512).astype(kind)
    assert np.array_equal(read_direction(write(tmp_path / "a.npy", values), ffhq).tensor.numpy(), values)


def test_a_column_major_array_and_a_parameter_keep_their_order(ffhq, tmp_path):
    np.save(tmp_path / "a.npy", np.asfortranarray(ROWS))
    torch.save(torch.nn.Parameter(torch.from_numpy(ROWS)), tmp_path / "a.pt")
    for name in ("a.npy", "a.pt"):
        read = read_direction(str(tmp_path / name), ffhq).tensor
        assert np.array_equal(read.numpy(), ROWS) and not read.requires_grad


def test_layers_are_the_rows_it_moves_and_the_others_of_a_row_by_row_direction_are_zero(ffhq, tmp_path):
    one = read_direction(write(tmp_path / "one.npy", ROW) + "#layers=4:8", ffhq)
    assert one.layers == (4, 8) and np.array_equal(one.tensor.numpy(), ROW)
    each = read_direction(write(tmp_path / "each.npy", ROWS.reshape(-1)) + "#layers=4:8", ffhq)
    assert each.layers == (4, 8) and np.array_equal(each.tensor[4:8].numpy(), ROWS[4:8])
    assert not each.tensor[:4].any() and not each.tensor[8:].any()


def test_options_say_the_range_and_keep_the_length(ffhq, tmp_path):
    read = read_direction(write(tmp_path / "a.npy", ROW) + "#unit=raw, safe=-0.5:12 ,layers=0:1", ffhq)
    assert read.safe_range == (-0.5, 12.0) and read.layers == (0, 1)
    assert read.unit == "1 = the direction as it came, not calibrated"


def test_a_file_whose_name_has_a_hash_is_read(ffhq, tmp_path):
    path = write(tmp_path / "a#b.npy", ROW)
    assert read_direction(path, ffhq).layers == (0, 18)
    assert read_direction(path + "#layers=1:2", ffhq).layers == (1, 2)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ("layers=4:19", "expected layers=A:B, whole numbers with 0 <= A < B <= 18 for this generator, got '4:19'"),
        ("layers=8:4", "got '8:4'"),
        ("layers=4:4", "got '4:4'"),
        ("layers=-1:4", "got '-1:4'"),
        ("layers=1.5:4", "got '1.5:4'"),
        ("layers=nan:4", "got 'nan:4'"),
        ("layers=inf:inf", "got 'inf:inf'"),
        ("layers=4", "got '4'"),
        ("safe=2:-2", "with -99 <= LOW < HIGH <= 99, got '2:-2'"),
        ("safe=nan:2", "got 'nan:2'"),
        ("safe=two", "expected safe=LOW:HIGH, like safe=-2:2, got 'two'"),
        ("unit=metre", "expected unit=raw"),
        ("component=5", "unknown option 'component', this kind takes layers, unit, safe"),
        ("layers", "expected FILE#key=value,key=value with every key once"),
        ("layers=0:1,layers=0:2", "with every key once"),
        ("", "with every key once"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused_with_what_was_expected(ffhq, tmp_path, options, text):
    assert text in refusal(write(tmp_path / "a.npy", ROW) + "#" + options, ffhq)


@pytest.mark.parametrize("suffix", ["npy", "pt"])
@pytest.mark.parametrize(
    ("came", "hint"),
    [
        ((511,), ""),
        ((2, 512), ": it is for a generator of 2 layers, this one has 18"),
        ((14, 512), ": it is for a generator of 14 layers (256 pixels), this one has 18"),
        ((1, 16, 512), ": it is for a generator of 16 layers (512 pixels), this one has 18"),
        ((4, 18, 512), ""),
        ((18, 256), ""),
        ((3, 3, 3), ""),
        ((), ""),
        ((0,), ""),
        ((0, 512), ": it is for a generator of 0 layers, this one has 18"),
    ],
)
def test_another_shape_is_refused_with_both(ffhq, tmp_path, suffix, came, hint):
    text = refusal(write(tmp_path / f"a.{suffix}", np.ones(came, np.float32)), ffhq)
    expected = "(512,), (1, 512), (18, 512), (1, 18, 512), (9216,) or (StyleSpace) (9088,)"
    if came == (0,) and suffix == "npy":
        assert "damaged" in text or expected in text
    else:
        assert text.endswith(f"must have shape {expected}, got {came}{hint}")


def test_eighteen_rows_are_refused_by_a_smaller_generator(tmp_path):
    small = generator_shape(Generator(GeneratorConfig(resolution=32, channel_base=64, channel_max=8)))
    text = refusal(write(tmp_path / "a.npy", ROWS), small)
    assert "for a generator of 18 layers (1024 pixels), this one has 8" in text


@pytest.mark.parametrize(
    ("name", "generator"),
    [
        ("stylegan_ffhq_smile_w_boundary.npy", "StyleGAN1"),
        ("stylegan_ffhq_age_c_gender_boundary.npy", "StyleGAN1"),
        ("StyleGAN_CelebAHQ_pose_boundary.npy", "StyleGAN1"),
        ("pggan_celebahq_smile_boundary.npy", "PGGAN"),
    ],
)
def test_a_direction_of_another_kind_of_generator_is_known_by_its_published_name(ffhq, tmp_path, name, generator):
    path = write(tmp_path / name, ROW[None])
    assert f"{name} is a direction of {generator}" in refusal(path, ffhq)
    os.rename(path, tmp_path / "stylegan2_smile.npy")  # by its shape it cannot be told
    assert read_direction(str(tmp_path / "stylegan2_smile.npy"), ffhq).space == "w"


@pytest.mark.parametrize("suffix", ["npy", "pt"])
@pytest.mark.parametrize(
    ("values", "text"),
    [
        (np.where(np.arange(512) == 7, np.nan, ROW), "NaN or infinite"),
        (np.where(np.arange(512) == 7, np.inf, ROW), "NaN or infinite"),
        (np.where(np.arange(512) == 7, 1e300, ROW.astype(np.float64)), "NaN or infinite"),
        (np.zeros(512), "zero everywhere"),
        (ROW.astype(np.complex64), "real numbers"),
        (ROW > 0, "real numbers"),
    ],
)
def test_what_are_no_numbers_to_move_by_is_refused(ffhq, tmp_path, suffix, values, text):
    assert text in refusal(write(tmp_path / f"a.{suffix}", values), ffhq)


def test_rows_that_are_zero_where_it_would_move_are_refused(ffhq, tmp_path):
    values = np.concatenate([ROWS[:6], np.zeros((12, 512), np.float32)])  # as SAM's laughing direction
    path = write(tmp_path / "a.npy", values)
    assert np.array_equal(read_direction(path, ffhq).tensor.numpy(), values)
    assert "zero everywhere" in refusal(path + "#layers=6:18", ffhq)


@pytest.mark.parametrize("dtype", [np.dtype("U8"), np.dtype([("a", "f4"), ("b", "f4")]), np.dtype("M8[s]")])
def test_an_array_of_anything_but_numbers_is_refused(ffhq, tmp_path, dtype):
    np.save(tmp_path / "a.npy", np.zeros(512, dtype))
    assert "a.npy must hold real numbers, got" in refusal(tmp_path / "a.npy", ffhq)


class Bomb:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_no_file_runs_code(ffhq, tmp_path):
    mark = tmp_path / "ran"
    np.save(tmp_path / "objects.npy", np.array([Bomb(mark)], dtype=object), allow_pickle=True)
    (tmp_path / "pickle.npy").write_bytes(pickle.dumps(Bomb(mark)))
    (tmp_path / "pickle.pt").write_bytes(pickle.dumps(Bomb(mark)))
    torch.save({"comp": Bomb(mark), "std": Bomb(mark)}, tmp_path / "dict.pt")
    assert "holds Python objects, not numbers, which is how some StyleGAN1 tools" in refusal(
        tmp_path / "objects.npy", ffhq
    )
    assert "no .npy file" in refusal(tmp_path / "pickle.npy", ffhq)
    assert "cannot be read as tensors alone" in refusal(tmp_path / "pickle.pt", ffhq)
    assert "cannot be read as tensors alone" in refusal(tmp_path / "dict.pt", ffhq)
    assert not mark.exists()


def test_what_is_no_direction_file_is_refused(ffhq, tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"")
    (tmp_path / "folder.pt").mkdir()
    torch.save([torch.zeros(512)], tmp_path / "list.pt")
    torch.save({"mean": torch.zeros(512)}, tmp_path / "dict.pt")
    torch.save(torch.ones(512).to_sparse(), tmp_path / "sparse.pt")
    assert "ending in .npy or .pt, got 'a.safetensors'" in refusal(tmp_path / "a.safetensors", ffhq)
    for missing in (tmp_path / "none.npy", tmp_path / "folder.pt", "x" * 5000 + ".npy", "a\0b.pt"):
        assert "there is no file" in refusal(missing, ffhq)
    assert "must hold a tensor or GANSpace's dictionary, got list" in refusal(tmp_path / "list.pt", ffhq)
    assert "comp and std of GANSpace, got a dictionary with 'mean'" in refusal(tmp_path / "dict.pt", ffhq)
    assert "plain numbers, got a torch.sparse_coo" in refusal(tmp_path / "sparse.pt", ffhq)


def test_a_small_file_that_promises_a_large_array_is_refused_without_taking_memory(ffhq, tmp_path):
    with open(tmp_path / "a.npy", "wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (10**13,)})
    torch.save(torch.zeros(1).expand(10**9, 10**3), tmp_path / "a.pt")
    assert "damaged" in refusal(tmp_path / "a.npy", ffhq)
    assert "got (1000000000, 1000)" in refusal(tmp_path / "a.pt", ffhq)
    with open(tmp_path / "large.npy", "wb") as file:
        file.truncate(200_000_001)
    assert "large.npy has 200 MB, no direction has more than 100" in refusal(tmp_path / "large.npy", ffhq)


def bytes_of(suffix):
    buffer = io.BytesIO()
    np.save(buffer, ROW) if suffix == "npy" else torch.save(torch.from_numpy(ROW), buffer)
    return buffer.getvalue()


WHOLE = {suffix: bytes_of(suffix) for suffix in ("npy", "pt")}


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["npy", "pt"]), st.integers(0, 700), st.binary(max_size=12), st.booleans())
def test_a_damaged_file_is_a_direction_or_a_refusal(ffhq, tmp_path_factory, suffix, at, noise, cut):
    data = WHOLE[suffix]
    path = tmp_path_factory.getbasetemp() / f"damaged.{suffix}"
    path.write_bytes(data[:at] + noise + (b"" if cut else data[at + len(noise) :]))
    try:
        assert isinstance(read_direction(str(path), ffhq), Direction)
    except EditError as error:
        assert len(str(error)) < 500


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=30))
def test_any_text_is_a_direction_or_a_refusal(ffhq, text):
    with pytest.raises(EditError):
        read_direction(text + ".npy", ffhq)
    with pytest.raises(EditError):
        read_direction("channel:x" + text, ffhq)
