import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from tiny_bundle import write_tiny_bundle

from oodinv.bundles.inverter import Inverter
from oodinv.evaluation.card import update_card, with_measurements
from oodinv.evaluation.convert import convert_lpips
from oodinv.evaluation.errors import EvaluationError
from oodinv.evaluation.evaluate import evaluate
from oodinv.evaluation.judges import Judges, load_judges
from oodinv.evaluation.names import short_names
from oodinv.evaluation.run import run_evaluation
from oodinv.evaluation.samples import SampleFile
from oodinv.evaluation.settings import Settings
from oodinv.evaluation.sheets import dataset_sheet, draw_sheets
from oodinv.evaluation.tally import Quantity
from oodinv.evaluation.write import read_rows, write_evaluation
from oodinv.metrics.lpips import ALEX, Lpips
from oodinv.training.data import Dataset

FEW = Settings(edit_count=1, generator_count=2, batch=8, strengths=(-1.0, 2.0), scales=(1, 4))


@pytest.fixture(scope="module")
def written(tiny, keep_all, portraits, tmp_path_factory):
    class Flat:
        def predict(self, crops):
            return {"smile": crops.mean(dim=(1, 2, 3)), "light": crops.std(dim=(1, 2, 3))}

    out = tmp_path_factory.mktemp("evaluation")
    found = evaluate(
        {"tiny": tiny, "keep all": keep_all}, {"portraits": portraits}, FEW, judges=Judges(regressor=Flat()),
        samples=out / "samples",
    )  # fmt: skip
    return found, write_evaluation(found, out)


def test_the_table_comes_back_from_parquet_with_its_protocol(written):
    found, files = written
    assert {(r.bundle, r.quantity, r.group): r.count for r in read_rows(files.table)} == {
        (r.bundle, r.quantity, r.group): r.count for r in found.rows
    }
    facts = pq.read_schema(files.table).metadata
    assert b"protocol.bundle tiny" in facts and b"sha256" in facts[b"protocol.bundle tiny"]


def test_bundles_stand_side_by_side_in_every_table_and_nothing_is_nan(written):
    text = written[1].markdown.read_text()
    for heading in ("Reconstruction", "Masks", "By accessory", "Edits against true ones", "Attributes", "Generator"):
        assert f"## {heading}: portraits" in text
    assert "| tiny: plain | tiny: aligned | tiny: full | keep all: plain |" in text
    assert "nan" not in text and "mean mask area" in text and "## Protocol" in text
    for word in ("error map", "everything", "true background", "8 bits", "averaged over areas", "no truncation"):
        assert word in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in rows)


def test_every_plot_is_a_picture_that_the_table_shows(written):
    text = written[1].markdown.read_text()
    names = {path.stem.split("_")[0] for path in written[1].plots}
    assert names == {"reconstruction", "masks", "calibration", "edits", "gain", "leakage"}
    for path in written[1].plots:
        assert f"(plots/{path.name})" in text
        with Image.open(path) as picture:
            assert min(picture.size) > 150 and len(set(np.asarray(picture).reshape(-1, 3).sum(axis=1).tolist())) > 3


def test_every_sample_has_a_row_of_its_own(written):
    table = pq.read_table(written[1].table.parent / "samples" / "00-portraits-tiny.parquet")
    assert table.num_rows == 8 and table["kind"].to_pylist()[:3] == ["hat", "", "glasses"]
    mean = np.mean(table["psnr.face.full"].to_pylist())
    found = {r.quantity: r.value for r in written[0].rows if r.bundle == "tiny" and r.group == "all"}
    assert mean == pytest.approx(next(v for q, v in found.items() if q[1:] == ("face", "full", "psnr")))
    assert table["iou.accessory.mask"].null_count == 4


def test_a_file_of_samples_is_whole_or_absent_and_no_two_share_a_name(tmp_path):
    measured = {Quantity("reconstruction", "face", "full", "psnr"): (np.array([20.0]), np.array([False]))}
    row = (np.array([0]), [""], ["hash"], measured)
    for number, dataset in enumerate(("a b", "a/b")):
        with SampleFile(tmp_path, number, dataset, "c") as file:
            file.write(*row)
            assert not list(tmp_path.glob(f"{number:02d}*.parquet"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["00-a_b-c.parquet", "01-a_b-c.parquet"]
    with pytest.raises(KeyboardInterrupt), SampleFile(tmp_path, 2, "d", "c") as file:
        file.write(*row)
        raise KeyboardInterrupt
    assert len(list(tmp_path.iterdir())) == 2
    with (
        SampleFile(tmp_path / "00-a_b-c.parquet", 0, "d", "c") as file,
        pytest.raises(EvaluationError, match="written"),
    ):
        file.write(*row)


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_measured(tmp_path, monkeypatch):
    def full(self, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(EvaluationError, match="No space left on device; free space"):
        run_evaluation(["no such bundle"], ["x"], tmp_path)


def test_sheets_show_what_there_is(tiny, portraits, photos):
    sheets = draw_sheets({"tiny": tiny}, {"photos": photos}, FEW)
    assert set(sheets) == {"dataset photos", "samples tiny", "masks tiny photos", "edits tiny photos"}
    # Four without accessory, four with one beside their masks, six pairs.
    assert dataset_sheet(portraits, tile=32).height > 5 * 32 > dataset_sheet(photos, tile=32).height
    width, height = sheets["samples tiny"].size
    assert width > 8 * 144 and height > 5 * 144


def test_pictures_to_look_at_come_after_the_table_and_in_batches(tiny, tmp_path, monkeypatch):
    sizes, honest = [], Inverter.invert

    def watched(self, crops, **options):
        sizes.append(len(crops))
        return honest(self, crops, **options)

    for number in range(9):
        pixels = np.random.default_rng(number).integers(0, 256, (32, 32, 3), np.uint8)
        (tmp_path / "photos").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{number}.png")
    monkeypatch.setattr(Inverter, "invert", watched)
    monkeypatch.setattr(Inverter, "from_bundle", lambda *args, **options: tiny)
    settings = Settings(parts=("reconstruction",), batch=8)
    done = run_evaluation(["b"], [str(tmp_path / "photos")], tmp_path / "out", settings, sheets=True)
    assert max(sizes) == 8 and len(done.sheets) == 4 and "(sheets/masks_b_photos.jpg)" in done.markdown.read_text()
    monkeypatch.setattr("oodinv.evaluation.run.draw_sheets", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run_evaluation(["b"], [str(tmp_path / "photos")], tmp_path / "again", settings, sheets=True)
    assert read_rows(tmp_path / "again" / "table.parquet") and list((tmp_path / "again" / "plots").iterdir())


def test_a_count_looks_at_no_more_than_the_first_samples(tiny, tmp_path, monkeypatch):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(2):
        pixels = np.random.default_rng(number).integers(0, 256, (32, 32, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    (folder / "2.png").write_bytes(b"broken: an error, for whoever looks at it")
    monkeypatch.setattr(Inverter, "from_bundle", lambda *args, **options: tiny)
    done = run_evaluation(["b"], [str(folder)], tmp_path / "out", Settings(parts=("reconstruction",), count=2))
    assert "first 2 crops of 32 px" in done.markdown.read_text()


def test_a_card_gets_the_table_in_place_of_what_its_section_held(written, tmp_path):
    text = written[1].markdown.read_text()
    before = "# Card\n\nText.\n\n## What was measured\n\nOld.\n\n### Older\n\n## Limits\n\nMany.\n"
    card = with_measurements(before, text)
    assert card.index("### Reconstruction") < card.index("## Limits") and "Old" not in card and "![" not in card
    assert with_measurements(card, text) == card
    assert with_measurements("# Card", text).startswith("# Card\n\n## What was measured\n\n### Reconstruction")
    with pytest.raises(EvaluationError, match="not about this bundle"):
        update_card("embedded", written[1].markdown.parent)
    folder = write_tiny_bundle(tmp_path / "copy")
    before = Inverter.from_bundle(str(folder)).bundle.sha256
    update_card(str(folder), written[1].markdown.parent)
    assert "### Masks: portraits" in (folder / "card.md").read_text()
    assert Inverter.from_bundle(str(folder)).bundle.sha256 == before


def test_names_are_the_last_parts_that_tell_paths_apart():
    assert short_names(["embedded"]) == ["embedded"]
    assert short_names(["runs/paper/bundle", "runs/improved/bundle"]) == ["paper/bundle", "improved/bundle"]
    assert short_names(["/a", "a"]) == ["/a (1)", "a (2)"]


def test_lpips_weights_are_converted_from_the_published_names_and_judge(tmp_path, tiny, portraits):
    torch.manual_seed(0)
    network = Lpips(ALEX)
    backbone, heads = {}, {}
    for conv, number in zip(network.backbone, ALEX.published, strict=True):
        backbone |= {f"features.{number}.weight": conv.weight.data, f"features.{number}.bias": conv.bias.data}
    for index, head in enumerate(network.heads):
        heads[f"lin{index}.model.1.weight"] = head.data.reshape(1, -1, 1, 1)
    torch.save(backbone | {"classifier.1.weight": torch.zeros(2, 2)}, tmp_path / "alexnet.pth")
    torch.save(heads, tmp_path / "alex.pth")
    out = tmp_path / "lpips.safetensors"
    assert convert_lpips(tmp_path / "alexnet.pth", tmp_path / "alex.pth", out) == "alex"
    judges = load_judges(lpips=out)
    a, b = torch.rand(2, 1, 3, 64, 64)
    torch.testing.assert_close(judges.lpips(a, b), network(a, b))
    found = evaluate({"b": tiny}, {"d": portraits}, Settings(parts=("reconstruction",), count=2), judges=judges)
    assert [row.count for row in found.rows if row.quantity.metric == "lpips" and row.group == "all"] == [2, 2, 2]
    assert "sha256" in found.protocol.facts["lpips"]
    with pytest.raises(EvaluationError, match="LPIPS heads"):
        convert_lpips(tmp_path / "alex.pth", tmp_path / "alexnet.pth", out)


def test_wrong_files_and_folders_are_named(tmp_path, tiny):
    (tmp_path / "text.safetensors").write_text("no tensors")
    with pytest.raises(EvaluationError, match="is not a safetensors file"):
        load_judges(lpips=tmp_path / "text.safetensors")
    with pytest.raises(EvaluationError, match=r"missing\.safetensors cannot be read"):
        load_judges(inception=tmp_path / "missing.safetensors")
    with pytest.raises(EvaluationError, match="more than once"):
        run_evaluation(["embedded", "embedded"], ["x"], tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(EvaluationError, match="cannot be made"):
        run_evaluation(["embedded"], ["x"], tmp_path / "file" / "out")
    small = Dataset.from_arrays(crops=np.zeros((1, 3, 16, 16), np.uint8))
    with pytest.raises(EvaluationError, match=r"crops of 16 px, bundle tiny needs 32"):
        evaluate({"tiny": tiny}, {"d": small})
    with pytest.raises(EvaluationError, match="is not the table"):
        read_rows(tmp_path / "file")
