"""The `oodinv` command. Heavy libraries are imported inside the commands that need them."""

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

_DETECTORS = click.Choice(["centerface", "face-alignment"])
_COMPOSITIONS = click.Choice(["repredict", "reuse", "minimum", "follow"])
_COMPOSITION_HELP = (
    "Where the mask of an edited face comes from. repredict: flows and masks are predicted anew from the edited face, "
    "as the released code does; reuse: those of the inversion; minimum: the smaller of both masks; follow: what is "
    "kept from the photo moves along with the edit.  [default: what the bundle says]"
)
DONE, TOO_MANY_FAILED, USER, INFRASTRUCTURE = 0, 1, 2, 3


def _plain_errors(command: Callable[..., Any]) -> Callable[..., Any]:
    """Known errors become one line and an exit code; anything else is a bug and keeps its traceback."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        from oodinv.errors import describe

        try:
            return command(*args, **kwargs)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            known = describe(error)
            if known is None:
                raise
            kind, text = known
            click.echo(f"oodinv: {text}", err=True)
            sys.exit(USER if kind == "user" else INFRASTRUCTURE)

    return run


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="oodinv")
def main() -> None:
    """Edit the faces in a folder of photos, and keep everything else from the photos."""


@main.command()
@click.option("--source", metavar="URI", help="Photos: a folder, or s3://bucket/prefix.")
@click.option("--target", metavar="URI", help="Dataset: a folder or s3://bucket/prefix; an existing one is continued.")
@click.option(
    "--edit",
    "edits",
    multiple=True,
    metavar="EDIT",
    help="smile=+1.5; repeat for more products; smile=+1,age=-1 for one combined; smile=-2:2:5 for five, from -2 to 2; "
    "identity for the reconstruction.",
)
@click.option(
    "--request",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="YAML or JSON file with the same fields; options given here win.",
)
@click.option("--bundle", metavar="NAME|DIR|URI", help="Model bundle.  [default: embedded]")
@click.option("--composition", metavar="NAME", help=_COMPOSITION_HELP)
@click.option("--preset", help="full or fast: one alignment round, quicker and less exact.  [default: full]")
@click.option("--precision", help="float32, or bfloat16 where the device has it.  [default: float32]")
@click.option("--detector", help="centerface or face-alignment.  [default: centerface]")
@click.option("--output", help="photo or crop.  [default: photo]")
@click.option("--format", "format_", help="jpeg, png or webp.  [default: jpeg]")
@click.option("--quality", type=int, help="Of JPEG and WebP.  [default: 95]")
@click.option("--keep", metavar="LIST", help="Also write masks,crops,latents per face.")
@click.option("--objects", help="files: one for each picture; tars: few for each shard.  [default: files]")
@click.option("--shard-size", type=int, help="Photos per shard.  [default: 256]")
@click.option("--workers", type=int, help="Actors.  [default: one per processor, at most 8]")
@click.option("--min-workers", type=int, help="Kept while there is less work for them.  [default: all]")
@click.option(
    "--face-workers",
    type=int,
    help="Actors that only find faces, for those that edit.  [default: none, or, "
    "with GPUs, as many as keep these busy]",
)
@click.option("--gpus-per-worker", type=float, help="GPUs of each actor; 0.5 lets two share one.  [default: 0]")
@click.option("--microbatch", type=int, help="Faces for each call of the model.  [default: 1 on a CPU, 16 on a GPU]")
@click.option(
    "--endpoint-url", metavar="URL", help="Of an S3-compatible server.  [default: the environment's, else AWS]"
)
@click.option("--require-fencing", is_flag=True, default=None, help="Refuse a target that ignores create-only writes.")
@click.option("--max-failed-share", type=float, help="Above it the exit code is 1.  [default: 0.05]")
@click.option(
    "--no-list", "list_source", is_flag=True, flag_value=False, default=None,
    help="Look for no new photos; work on those that earlier runs have found.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, default=None, help="Say what would be done; write nothing.")
@_plain_errors
def augment(
    request: Path | None, edits: tuple[str, ...], format_: str | None, keep: str | None, **options: Any
) -> None:
    """Edit every face of every photo in a bucket or folder.

    oodinv augment --source photos --target out --edit smile=+1.5 --edit age=+1

    Running the same command again continues where it was stopped and does only what is new.
    """
    from flows.environment import quiet_and_local
    from flows.read_request import read_request
    from flows.terminal import warnings_in_terminal

    given = options | {"edits": edits or None, "format": format_, "keep": keep.split(",") if keep else None}
    parsed = read_request(request, {name: value for name, value in given.items() if value is not None})
    if parsed.dry_run:
        from flows.dry_run import dry_run

        with warnings_in_terminal():
            plan = dry_run(parsed)
        click.echo(plan)
        return
    if parsed.credentials_block is None:
        from flows.prepare import prepare

        # Refused here, before an orchestrator is started for it.
        prepare(parsed, warn=False)
    quiet_and_local()
    from flows.run import run_augment
    from flows.summary import RunEndedBadly, TooManyFailed

    try:
        with warnings_in_terminal():
            summary = run_augment(parsed)
    except RunEndedBadly as bad:
        click.echo(bad.summary.told())
        click.echo(f"oodinv: {bad}", err=True)
        sys.exit(TOO_MANY_FAILED if isinstance(bad, TooManyFailed) else INFRASTRUCTURE)
    click.echo(summary.told())


@main.command()
@click.argument("photo", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--edit",
    "edit_text",
    required=True,
    metavar="EDIT",
    help="smile=+1.5 or smile=+1,age=-1; smile=-2:2:5 for five steps from -2 to 2.",
)
@click.option(
    "-o",
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="File to write; its suffix says the format. A sweep writes one file for each step, named after it: with "
    "OUT.png, OUT_smile_m2.00.png and so on.",
)
@click.option("--bundle", default="embedded", show_default=True, metavar="NAME|DIR")
@click.option("--composition", type=_COMPOSITIONS, help=_COMPOSITION_HELP)
@click.option("--detector", type=_DETECTORS, default="centerface", show_default=True)
@_plain_errors
def edit(photo: Path, edit_text: str, out: Path, **options: Any) -> None:
    """Edit the faces of one photo, without a dataset."""
    from flows.single import edit_file
    from flows.terminal import warnings_in_terminal

    with warnings_in_terminal():
        edited = edit_file(photo, edit_text, out, **options)
    for path in edited.paths:
        click.echo(f"{path}: {edited.num_faces} face{'s' if edited.num_faces != 1 else ''} edited")


@main.command()
@click.argument("photo", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "-o", "--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder to write to."
)
@click.option("--bundle", default="embedded", show_default=True, metavar="NAME|DIR")
@click.option("--detector", type=_DETECTORS, default="centerface", show_default=True)
@_plain_errors
def invert(photo: Path, out: Path, bundle: str, detector: str) -> None:
    """Take a photo's faces apart: crop, generated image, mask, reconstruction."""
    from flows.single import invert_file

    for path in invert_file(photo, out, bundle=bundle, detector=detector):
        click.echo(path)


@main.group()
def bundle() -> None:
    """Model bundles."""


@bundle.command("list")
@_plain_errors
def bundle_list() -> None:
    """Bundles that ship with the package."""
    from oodinv.bundles.bundle import bundle_names, find_bundle

    for name in bundle_names():
        spec = find_bundle(name).spec
        click.echo(
            f"{name}  version {spec.version}, {spec.resolution} px, {spec.setting}, edits {', '.join(spec.edits)}"
        )


@bundle.command("show")
@click.argument("name", metavar="NAME|DIR")
@_plain_errors
def bundle_show(name: str) -> None:
    """What a bundle is: sizes, edits with their units, licence, card."""
    from oodinv.bundles.describe import describe_bundle

    click.echo(describe_bundle(name))


@bundle.command("verify")
@click.argument("name", metavar="NAME|DIR")
@_plain_errors
def bundle_verify(name: str) -> None:
    """Load a bundle, check every hash and shape, and run it once."""
    from oodinv.bundles.describe import verify_bundle

    click.echo(verify_bundle(name))


_IMPORTED = click.Path(dir_okay=False, path_type=Path)


def _named(values: tuple[str, ...], option: str) -> dict[str, str]:
    """NAME=TEXT, each name once."""
    named: dict[str, str] = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not equals or not text or name in named:
            raise click.UsageError(f"{option} takes NAME=TEXT, every name once, got {value!r:.100}")
        named[name] = text
    return named


@bundle.command("import")
@click.argument("files", nargs=-1, metavar="[FILE]...", type=_IMPORTED)
@click.option("--generator", type=_IMPORTED, metavar="FILE", help="Take the generator from this file.")
@click.option("--encoder", type=_IMPORTED, metavar="FILE", help="Take the encoder from this file.")
@click.option("--decomposition", type=_IMPORTED, metavar="FILE", help="A released net_g_….pth.")
@click.option("--identity", type=_IMPORTED, metavar="FILE", help="model_ir_se50.pth; fills the rows' id_similarity.")
@click.option(
    "--direction",
    "directions",
    multiple=True,
    metavar="NAME=TEXT",
    help="smile=smile.pt, age=ffhq_pca.pt#component=5,layers=0:8, blink=channel:9_409; repeat for more.",
)
@click.option(
    "--setting",
    type=click.Choice(["paper", "improved"]),
    required=True,
    help="paper: the numbers of the released code, which a released decomposition needs.",
)
@click.option("--rounds", type=int, metavar="N", help="Alignment rounds of the decomposition.  [default: 2]")
@click.option("--displacement", type=float, metavar="X", help="Largest flow, 2 = full width.  [default: 0.08]")
@click.option("--name", help="Of the bundle.  [default: the folder's]")
@click.option("--licence", metavar="TEXT", help="For its card.")
@click.option(
    "--out", required=True, type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="Folder to write."
)
@_plain_errors
def bundle_import(
    files: tuple[Path, ...],
    directions: tuple[str, ...],
    setting: Any,
    rounds: int | None,
    displacement: float | None,
    name: str | None,
    licence: str | None,
    out: Path,
    **parts: Path | None,
) -> None:
    """Convert published checkpoints to a bundle.

    oodinv bundle import e4e_ffhq_encode.pt --setting improved --out my-bundle

    Files are recognised by what is in them: StyleGAN2 generators (rosinality .pt, BasicSR .pth, NVlabs .pkl), e4e, pSp
    and ReStyle checkpoints, Feature-Style encoders, released decompositions, the IR-SE identity network. Nothing a file
    brings is ever run.
    """
    from oodinv.bundles.formats.importer import ImportRequest, import_bundle

    given: Any = {role: path for role, path in parts.items() if path is not None}
    if not files and not given:
        raise click.UsageError("name at least one file to import")
    request = ImportRequest(
        out=out,
        setting=setting,
        files=files,
        given=given,
        directions=_named(directions, "--direction"),
        num_iterations=rounds,
        max_displacement=displacement,
        name=name,
        licence=licence,
    )
    made = import_bundle(request, click.echo)
    click.echo(f"{out}: {made.spec.resolution} px, setting {made.spec.setting}, {made.sha256}")


_TRAINED = click.Path(exists=True, file_okay=False, path_type=Path)


@bundle.command("build")
@click.option("--generator", type=_TRAINED, required=True, metavar="DIR", help="Of its training, or a bundle's.")
@click.option("--encoder", type=_TRAINED, required=True, metavar="DIR")
@click.option("--decomposition", type=_TRAINED, metavar="DIR", help="Without one nothing is kept from the photo.")
@click.option("--directions", type=_TRAINED, metavar="DIR", help="Without any there are no named edits.")
@click.option("--labels", metavar="NAME,…", help="Directions to take.  [default: all]")
@click.option("--composition", type=_COMPOSITIONS, help="Default for edits.  [default: as it was trained]")
@click.option("--dtype", type=click.Choice(["float16", "float32"]), default="float16", show_default=True)
@click.option("--name", help="Of the bundle.  [default: the folder's]")
@click.option("--version", default="1", show_default=True, metavar="TEXT")
@click.option("--licence", required=True, metavar="TEXT", help="What your data allows; for its card.")
@click.option("--provenance", required=True, metavar="TEXT", help="Where data and weights come from; for its card.")
@click.option("--note", default="", metavar="TEXT", help="What the card says first.")
@click.option("--limits", default="", metavar="TEXT", help="What it is not good for; for its card.")
@click.option(
    "--out", required=True, type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="Folder to write."
)
@_plain_errors
def bundle_build(out: Path, labels: str | None, composition: Any, name: str | None, **options: Any) -> None:
    """Put what trainings left together into a bundle, with a card that says how they went.

    oodinv bundle build --generator trained/generator --encoder trained/encoder --decomposition trained/decomposition
    --directions trained/directions --licence "our own" --provenance "our own photos" --out my-bundle
    """
    from oodinv.training.bundling import PARTS, BuildRequest, build_bundle

    parts = {part: folder for part in PARTS if (folder := options.pop(part)) is not None}
    request = BuildRequest(
        out=out,
        parts=parts,
        name=name or out.absolute().name,
        labels=_separated(labels),
        composition=composition,
        **options,
    )
    made = build_bundle(request, click.echo)
    click.echo(f"{out}: {made.spec.resolution} px, edits {', '.join(made.spec.edits) or 'none'}, {made.sha256}")


@bundle.command("export")
@click.argument("name", metavar="NAME|DIR")
@click.option("--layout", type=click.Choice(["rosinality", "e4e"]), required=True)
@click.option(
    "-o", "--out", required=True, type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="File to write."
)
@_plain_errors
def bundle_export(name: str, layout: Any, out: Path) -> None:
    """Write a bundle's networks as others publish them.

    rosinality: the generator and its mean style. e4e: encoder and generator, as e4e, pSp and ReStyle read them.
    """
    from oodinv.bundles.formats.export import export_bundle

    export_bundle(name, layout, out)
    click.echo(f"{out}: {out.stat().st_size / 1e6:.1f} MB")


@main.command()
@click.argument("kind", type=click.Choice(["generator", "encoder", "decomposition", "directions", "regressor"]))
@click.option(
    "--data",
    multiple=True,
    required=True,
    metavar="DIR",
    help="Portraits with masks and labels, or any folder of square crops of faces; repeat to join several.",
)
@click.option("--out", required=True, metavar="DIR", help="Checkpoints, log and result; a training in it is continued.")
@click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="NAME=DIR",
    help="What was trained before: generator=DIR, encoder=DIR, regressor=DIR.",
)
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="YAML with what differs from the recipe.",
)
@click.option("--set", "assignments", multiple=True, metavar="NAME=VALUE", help="Such as training.batch=16; repeat.")
@click.option("--seconds", type=float, help="Save and stop after so long; the same command goes on.")
@click.option("--workers", type=int, help="Processes that share every batch, by Ray Train.  [default: 1]")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), help="[default: auto]")
@click.option("--cache", metavar="DIR", help="For decoded crops.  [default: beside each dataset]")
@click.option("--save-every", type=int, metavar="STEPS", help="[default: 500]")
@click.option("--log-every", type=int, metavar="STEPS", help="[default: 50]")
@click.option("--grid-every", type=int, metavar="STEPS", help="[default: 500]")
@click.option("--tensorboard/--no-tensorboard", default=None, help="Curves and pictures in OUT/tensorboard.")
@click.option("--dry-run", is_flag=True, help="Print the whole configuration and do nothing.")
@_plain_errors
def train(
    kind: str,
    inputs: tuple[str, ...],
    config: Path | None,
    assignments: tuple[str, ...],
    dry_run: bool,
    **options: Any,
) -> None:
    """Train a generator, an encoder, a decomposition, directions or a regressor of attributes.

    oodinv train generator --data portraits --out trained/generator

    A training that was stopped, or killed, goes on from its last checkpoint when the same command is run again.
    """
    from flows.environment import quiet_and_local
    from flows.read_config import read_settings
    from flows.read_request import checked
    from flows.train_request import TrainRequest

    given = options | {
        "kind": kind,
        "inputs": _named(inputs, "--input"),
        "settings": read_settings(config, assignments),
    }
    request = checked(TrainRequest, {name: value for name, value in given.items() if value is not None})
    quiet_and_local()
    from flows.terminal import warnings_in_terminal
    from flows.train import told, training_job
    from flows.train import train as run

    job = training_job(request)  # refused here, before an orchestrator is started for it
    if dry_run:
        import json
        from dataclasses import asdict

        click.echo(json.dumps(asdict(job.config), indent=1))
        return
    with warnings_in_terminal():
        result = run(request)
    click.echo(told(result, request.out))


@main.group()
def portraits() -> None:
    """The synthetic portrait studio."""


@portraits.command("render")
@click.option("--count", type=click.IntRange(1), required=True, metavar="N", help="Portraits to render.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, metavar="DIR")
@click.option(
    "--split",
    type=click.Choice(["train", "val", "test"]),
    default="train",
    show_default=True,
    help="Splits share neither seeds nor designs of accessories; some kinds are in test alone.",
)
@click.option("--start", type=click.IntRange(0), default=0, show_default=True, help="First portrait of the split.")
@click.option("--crop-size", type=click.IntRange(16, 1024), default=256, show_default=True, help="Side in pixels.")
@click.option(
    "--accessory-share", type=click.FloatRange(0, 1), default=0.5, show_default=True, help="With an accessory."
)
@click.option(
    "--busy-share", type=click.FloatRange(0, 1), default=0.5, show_default=True, help="With a busy background."
)
@click.option("--kinds", metavar="KIND,…", help="Accessories to draw from.  [default: all of the split]")
@click.option(
    "--counterfactuals",
    metavar="NAME±N,…",
    help="The same heads again with one attribute moved by N standard deviations: smile+2,yaw-1,age+1,…",
)
@click.option("--workers", type=click.IntRange(1), metavar="N", help="Processes.  [default: one per core]")
@_plain_errors
def portraits_render(
    count: int,
    out: Path,
    split: Any,
    kinds: str | None,
    counterfactuals: str | None,
    workers: int | None,
    **numbers: Any,
) -> None:
    """Render portraits as a dataset: aligned crops with exact masks, labels and 68 landmarks in WebDataset shards.

    oodinv portraits render --count 20000 --split train --out data/train

    Running the same command again goes on where it was stopped.
    """
    from oodinv.portraits import Recipe, render_dataset

    recipe = Recipe(
        split=split, count=count, kinds=_separated(kinds), counterfactuals=_separated(counterfactuals), **numbers
    )
    made = render_dataset(out, recipe, workers=workers)
    lost = ", ".join(f"{kind} {share}" for kind, share in made.skipped_by_kind.items())
    click.echo(f"{made.samples} portraits in {out}; face not found: {lost}")


@portraits.command("pack")
@click.argument("dataset", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR")
@click.option("--size", type=click.IntRange(1), default=128, show_default=True, help="Side of the crops, pixels.")
@click.option("--max-mib", type=click.FloatRange(min=0.1), default=50.0, show_default=True, help="All files together.")
@click.option("--quality", type=click.IntRange(1, 100), default=92, show_default=True, help="Of the JPEG crops.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, metavar="DIR")
@_plain_errors
def portraits_pack(dataset: Path, size: int, max_mib: float, quality: int, out: Path) -> None:
    """Make a dataset small: smaller crops in the same format, as many from its start as fit."""
    from oodinv.portraits import pack_dataset

    made = pack_dataset(dataset, out, size=size, max_mib=max_mib, quality=quality)
    click.echo(f"{made.samples} samples in {out}, {made.size_bytes / 2**20:.1f} MiB; {made.left_out} left out")


def _separated(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


@main.command()
@click.option(
    "--bundle", "bundles", multiple=True, required=True, metavar="NAME|DIR", help="Repeat to compare bundles."
)
@click.option(
    "--dataset",
    "datasets",
    multiple=True,
    required=True,
    metavar="DIR",
    help="Rendered portraits, or any folder of square images; repeat for a table each.",
)
@click.option("--out", required=True, metavar="DIR", help="Folder for the table, plots and sheets.")
@click.option(
    "--part",
    "parts",
    multiple=True,
    type=click.Choice(["reconstruction", "edits", "attributes", "generator"]),
    help="What to measure; repeat for more.  [default: all]",
)
@click.option("--count", type=click.IntRange(1), help="The first samples of each dataset.  [default: all]")
@click.option("--edit-count", type=click.IntRange(1), help="Samples whose edits are measured.  [default: 100]")
@click.option("--generator-count", type=click.IntRange(1), help="Pictures drawn for distances.  [default: 500]")
@click.option("--batch", type=click.IntRange(1), help="Crops for each call of a model.  [default: 16]")
@click.option("--preset", type=click.Choice(["full", "fast"]), help="[default: full]")
@click.option("--composition", type=_COMPOSITIONS, help=_COMPOSITION_HELP)
@click.option("--strength", "strengths", type=float, multiple=True, help="Of predicted edits.  [default: -2 -1 1 2]")
@click.option(
    "--scale", "scales", type=click.IntRange(1), multiple=True, help="Photo sides in crop sides.  [default: 1 2 4]"
)
@click.option("--regressor", metavar="FILE", help="Attribute regressor: gain and leakage of edits.")
@click.option("--lpips", metavar="FILE", help="LPIPS weights, see oodinv.evaluation.convert.")
@click.option("--inception", metavar="FILE", help="Inception weights, see oodinv.evaluation.convert: FID and KID.")
@click.option("--detector", type=_DETECTORS, help="Count in how many pictures a face is still found.")
@click.option("--seed", type=click.IntRange(0), help="Of drawn pictures.  [default: 0]")
@click.option("--device", help="cpu or cuda.  [default: cpu]")
@click.option("--cache", metavar="DIR", help="For decoded crops.  [default: beside each dataset]")
@click.option("--sheets", is_flag=True, default=None, help="Also draw sheets to look at.")
@_plain_errors
def evaluate(**options: Any) -> None:
    """Measure bundles on held-out portraits or photos: one table, with plots and the protocol.

    oodinv evaluate --bundle embedded --dataset portraits/test --out evaluation

    Writes table.parquet, table.md, plots/, samples/ (every sample's own numbers) and, with --sheets, sheets/. What
    cannot be measured, for want of masks or of a network's weights, is absent, and the table says why.
    """
    from flows.environment import quiet_and_local
    from flows.read_evaluation import read_evaluation
    from flows.terminal import warnings_in_terminal

    request = read_evaluation({name: value for name, value in options.items() if value not in (None, ())})
    quiet_and_local()
    from flows.run_evaluation import run_evaluation

    with warnings_in_terminal():
        written = run_evaluation(request)
    click.echo(written.markdown.read_text(encoding="utf-8"))
    click.echo(f"{written.table}: {written.table.stat().st_size / 1e3:.0f} kB; {len(written.plots)} plots", err=True)


@main.group()
def dataset() -> None:
    """Datasets: what is in a target."""


_TARGET = click.argument("target", metavar="TARGET")
_ENDPOINT = click.option(
    "--endpoint-url", metavar="URL", help="Of an S3-compatible server.  [default: the environment's, else AWS]"
)


@dataset.command("status")
@_TARGET
@_ENDPOINT
@_plain_errors
def dataset_status(target: str, endpoint_url: str | None) -> None:
    """Samples by status, per product."""
    from oodinv.ledger.status import dataset_status as status
    from oodinv.store import Access, open_store

    found = status(open_store(target, Access(endpoint_url=endpoint_url)))
    click.echo(f"{found.uri}: {found.num_samples} photos, {found.inventory_parts} inventory parts")
    for p in found.products:
        click.echo(
            f"  {p.product}: {p.planned} = {p.ok} ok + {p.skipped} skipped + {p.failed} failed + "
            f"{p.quarantined} quarantined + {p.pending} pending; shards {p.shards_done}/{p.shards}"
        )


@dataset.command("fsck")
@_TARGET
@click.option("--quick", is_flag=True, help="Sizes only; do not read every object.")
@_ENDPOINT
@_plain_errors
def dataset_fsck(target: str, quick: bool, endpoint_url: str | None) -> None:
    """Check that everything published is there, whole and accounted for."""
    from oodinv.ledger.fsck import fsck
    from oodinv.store import Access, open_store

    report = fsck(open_store(target, Access(endpoint_url=endpoint_url)), deep=not quick)
    for problem in report.problems:
        click.echo(f"PROBLEM {problem}")
    verdict = "clean" if report.clean else f"{report.num_problems} problems"
    how = "read and hashed" if report.deep else "by size"
    click.echo(
        f"{report.uri}: {verdict}; {report.num_products} products, {report.num_commits} commits, "
        f"{report.num_objects} objects {how}; {report.num_orphans} orphans ({report.orphan_bytes} bytes)"
    )
    if not report.clean:
        sys.exit(INFRASTRUCTURE)


@dataset.command("gc")
@_TARGET
@click.option("--delete", is_flag=True, help="Delete what is found; without it nothing is changed.")
@click.option(
    "--grace-hours",
    type=float,
    default=24.0,
    show_default=True,
    help="Leave alone what was written since; at least 1, and twice as long as a living run may go without writing.",
)
@_ENDPOINT
@_plain_errors
def dataset_gc(target: str, delete: bool, grace_hours: float, endpoint_url: str | None) -> None:
    """Find what killed runs left behind and nothing lists."""
    from oodinv.ledger.gc import collect_garbage
    from oodinv.store import Access, open_store

    store = open_store(target, Access(endpoint_url=endpoint_url))
    report = collect_garbage(store, grace_s=grace_hours * 3600, delete=delete)
    for error in report.errors:
        click.echo(f"NOT DONE {error}")
    for key in report.foreign:
        click.echo(f"NOT OURS, kept: {key!r:.300}")
    if not delete:
        for key in report.candidates:
            click.echo(f"garbage {key}")
    done = (
        f"{report.num_deleted} deleted ({report.deleted_bytes} bytes)"
        if delete
        else "nothing was deleted: a dry run, --delete deletes"
    )
    click.echo(
        f"{report.uri}: {report.num_candidates} objects that nothing lists, older than {grace_hours:g} h "
        f"({report.candidate_bytes} bytes); {done}; {report.num_young} younger ones and {report.num_foreign} that are "
        "not ours are kept"
    )
    if report.num_errors:
        sys.exit(INFRASTRUCTURE)


@dataset.command("retry")
@_TARGET
@click.option(
    "--status",
    "statuses",
    type=click.Choice(["failed", "skipped", "quarantined"]),
    multiple=True,
    default=("failed",),
    show_default=True,
    help="Repeat for more.",
)
@click.option("--error-class", "classes", multiple=True, metavar="NAME", help="Repeat for more.  [default: all]")
@click.option("--product", "products", multiple=True, metavar="NAME", help="Repeat for more.  [default: all]")
@click.option("--dry-run", is_flag=True, help="Say what would be done again; write nothing.")
@_ENDPOINT
@_plain_errors
def dataset_retry(
    target: str,
    statuses: tuple[str, ...],
    classes: tuple[str, ...],
    products: tuple[str, ...],
    dry_run: bool,
    endpoint_url: str | None,
) -> None:
    """Ask that photos without result be done again by the next `oodinv augment`.

    oodinv dataset retry out --status failed --error-class timeout
    """
    from oodinv.ledger.retry import RetryRequest, ask_for_retry
    from oodinv.store import Access, open_store

    store = open_store(target, Access(endpoint_url=endpoint_url))
    request = RetryRequest(statuses=frozenset(statuses), error_classes=frozenset(classes), products=frozenset(products))
    retry = ask_for_retry(store, request, write=not dry_run)
    if retry is None:
        click.echo(f"{store.uri}: no photo is such; nothing was written")
        return
    for product, count in retry.count().items():
        click.echo(f"  {product}: {count} photos in {len(retry.samples[product])} shards")
    then = "nothing was written" if dry_run else f"retry {retry.number}: the next `oodinv augment` does them again"
    click.echo(f"{store.uri}: {then}")


@dataset.command("snapshot")
@_TARGET
@_ENDPOINT
@_plain_errors
def dataset_snapshot(target: str, endpoint_url: str | None) -> None:
    """Publish what is committed; nothing new makes no new snapshot."""
    from oodinv.ledger.committed import committed_products
    from oodinv.ledger.snapshot import publish_snapshot
    from oodinv.store import Access, open_store

    store = open_store(target, Access(endpoint_url=endpoint_url))
    snapshot = publish_snapshot(store, committed_products(store))
    click.echo(f"{store.uri}: snapshot {snapshot.number} of {snapshot.num_inputs} photos")
    for product, commits in snapshot.commits.items():
        rows = sum(file.rows for file in snapshot.files if file.product == product)
        click.echo(f"  {product}: {len(commits)} commits, {rows} rows")


@dataset.command("export")
@_TARGET
@click.option("-o", "--out", required=True, metavar="URI", help="Where to: a folder or s3://bucket/prefix.")
@click.option("--product", "products", multiple=True, metavar="NAME", help="Repeat for more.  [default: all]")
@click.option("--snapshot", "number", type=int, metavar="N", help="Of this snapshot.  [default: the newest]")
@click.option("--masks", is_flag=True, help="Also the masks, where they were kept.")
@click.option("--max-mib", type=click.FloatRange(min=0.1), default=256.0, show_default=True, help="Of one tar.")
@_ENDPOINT
@_plain_errors
def dataset_export(
    target: str,
    out: str,
    products: tuple[str, ...],
    number: int | None,
    masks: bool,
    max_mib: float,
    endpoint_url: str | None,
) -> None:
    """Write the pictures of a snapshot as WebDataset tars, each beside its rows.

    oodinv dataset export out -o tars

    What an interrupted export has written is kept; the same command finishes it.
    """
    from tqdm import tqdm

    from oodinv.ledger.export import export_webdataset
    from oodinv.store import Access, open_store

    access = Access(endpoint_url=endpoint_url)
    with tqdm(unit="picture", desc="export") as bar:
        made = export_webdataset(
            open_store(target, access),
            open_store(out, access),
            products=products or None,
            number=number,
            masks=masks,
            most_bytes=int(max_mib * 2**20),
            on_picture=bar.update,
        )
    there = f", {made.skipped} of them there already" if made.skipped else ""
    click.echo(f"{out}: {made.pictures} pictures in {len(made.tars)} tars{there}")


@main.command()
@_TARGET
@click.option(
    "-o",
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="HTML file to write.",
)
@_ENDPOINT
@_plain_errors
def gallery(target: str, out: Path, endpoint_url: str | None) -> None:
    """One HTML page: faces before and after, the counts, the photos without result.

    The page carries its pictures and loads nothing, so it opens from anywhere, also for a private bucket. It shows
    people's faces: keep it as private as the photos.
    """
    from oodinv.engine.gallery import dataset_gallery
    from oodinv.store import Access, LocationError, open_store

    page = dataset_gallery(open_store(target, Access(endpoint_url=endpoint_url))).encode()
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(page)
    except OSError as error:
        raise LocationError(f"{out} cannot be written: {error.strerror}; name another file") from error
    click.echo(f"{out}: {len(page) / 1e6:.1f} MB")


@main.command()
@_plain_errors
def doctor() -> None:
    """What this machine has and what is missing."""
    from flows.doctor import examine

    ok, text = examine()
    click.echo(text)
    if not ok:
        sys.exit(INFRASTRUCTURE)


if __name__ == "__main__":
    main()
