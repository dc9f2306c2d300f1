import pytest
import torch

from oodinv.edits import EditError
from oodinv.edits.directions import calibrate, read_direction

RNG = torch.Generator().manual_seed(0)
COMPONENTS = torch.linalg.qr(torch.randn(512, 80, generator=RNG)).Q.T[:, None].contiguous()
DEVIATIONS = torch.linspace(3, 0.1, 80)


@pytest.fixture
def pca(tmp_path):
    """As published: the components column-major, the mean beside them."""
    odd = COMPONENTS.permute(1, 2, 0).contiguous().permute(2, 0, 1)
    assert odd.stride() != COMPONENTS.stride() and torch.equal(odd, COMPONENTS)
    torch.save({"mean": torch.zeros(1, 512), "comp": odd, "std": DEVIATIONS}, tmp_path / "ffhq_pca.pt")
    return tmp_path / "ffhq_pca.pt"


def refusal(text, shape):
    with pytest.raises(EditError) as caught:
        read_direction(str(text), shape)
    return str(caught.value)


@pytest.mark.parametrize("component", [0, 5, 79])
def test_a_component_moves_its_rows_by_its_standard_deviation(ffhq, pca, component):
    read = read_direction(f"{pca}#component={component},layers=0:8,safe=-4:4", ffhq)
    assert (read.space, read.layers, read.safe_range) == ("w", (0, 8), (-4.0, 4.0))
    assert torch.equal(read.tensor, COMPONENTS[component, 0] * DEVIATIONS[component])
    assert read.unit == "1 = one standard deviation of the component"


def test_its_unit_is_that_of_calibration(ffhq, pca):
    """Latents that vary along each component as the file says: calibrating the bare component gives the same step."""
    w = torch.randn(20_000, 80, generator=RNG) * DEVIATIONS @ COMPONENTS[:, 0]
    read = read_direction(f"{pca}#component=5", ffhq)
    assert calibrate(read, w, None) is read
    torch.save(COMPONENTS[5], pca.parent / "bare.pt")
    bare = calibrate(read_direction(str(pca.parent / "bare.pt"), ffhq), w, None)
    assert (bare.tensor - read.tensor).norm() / read.tensor.norm() < 0.02


def test_the_original_names_are_read_too(ffhq, tmp_path):
    torch.save({"lat_comp": COMPONENTS, "lat_stdev": DEVIATIONS, "lat_mean": torch.zeros(1, 512)}, tmp_path / "a.pt")
    assert torch.equal(
        read_direction(f"{tmp_path / 'a.pt'}#component=1", ffhq).tensor, COMPONENTS[1, 0] * DEVIATIONS[1]
    )


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ("", "has components 0 to 79: expected component=N, got ''"),
        ("#component=80", "has components 0 to 79: expected component=N, got '80'"),
        ("#component=-1", "got '-1'"),
        ("#component=²", "got '²'"),
        ("#component=" + "9" * 5000, "expected component=N, got '9999"),
        ("#component=1,layers=0:20", "0 <= A < B <= 18"),
        ("#component=1,unit=raw", "unknown option 'unit', this kind takes component, layers, safe"),
    ],
)
def test_what_it_does_not_have_is_refused(ffhq, pca, options, text):
    assert text in refusal(f"{pca}{options}", ffhq)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (
            {"comp": COMPONENTS[..., :256], "std": DEVIATIONS},
            "(count, 1, 512) and as many deviations, got (80, 1, 256)",
        ),
        ({"comp": COMPONENTS[:, 0], "std": DEVIATIONS}, "got (80, 512) and (80,)"),
        ({"comp": COMPONENTS, "std": DEVIATIONS[:-1]}, "got (80, 1, 512) and (79,)"),
        ({"comp": COMPONENTS[:0], "std": DEVIATIONS[:0]}, "component"),
        ({"comp": 3, "std": 4}, "got () and ()"),
        ({"comp": COMPONENTS * float("nan"), "std": DEVIATIONS}, "component 1 of a.pt holds NaN"),
        ({"comp": COMPONENTS, "std": DEVIATIONS * 0}, "zero everywhere"),
    ],
)
def test_a_dictionary_of_another_make_is_refused(ffhq, tmp_path, content, text):
    torch.save(content, tmp_path / "a.pt")
    assert text in refusal(f"{tmp_path / 'a.pt'}#component=1", ffhq)
