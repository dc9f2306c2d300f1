"""The `oodinv` command. Heavy libraries are imported inside the commands that need them."""

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

_DETECTORS = click.Choice(["centerface", "face-alignment"])
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
@click.option("--source", metavar="DIR", help="Folder of photos.")
@click.option("--target", metavar="DIR", help="Folder of the dataset; an existing one is continued.")
@click.option(
    "--edit",
    "edits",
    multiple=True,
    metavar="EDIT",
    help="smile=+1.5; repeat for more products; smile=+1,age=-1 for one combined; identity for the reconstruction.",
)
@click.option(
    "--request",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="YAML or JSON file with the same fields; options given here win.",
)
@click.option("--bundle", metavar="NAME|DIR", help="Model bundle.  [default: embedded]")
@click.option("--detector", help="centerface or face-alignment.  [default: centerface]")
@click.option("--output", help="photo or crop.  [default: photo]")
@click.option("--format", "format_", help="jpeg, png or webp.  [default: jpeg]")
@click.option("--quality", type=int, help="Of JPEG and WebP.  [default: 95]")
@click.option("--keep", metavar="LIST", help="Also write masks,crops,latents per face.")
@click.option("--shard-size", type=int, help="Photos per shard.  [default: 256]")
@click.option("--workers", type=int, help="Actors.  [default: one per processor, at most 8]")
@click.option("--max-failed-share", type=float, help="Above it the exit code is 1.  [default: 0.05]")
@click.option("--dry-run", is_flag=True, default=None, help="Say what would be done; write nothing.")
@_plain_errors
def augment(
    request: Path | None, edits: tuple[str, ...], format_: str | None, keep: str | None, **options: Any
) -> None:
    """Edit every face of every photo in a folder.

    oodinv augment --source photos --target out --edit smile=+1.5 --edit age=+1

    Running the same command again continues where it was stopped and does only what is new.
    """
    from flows.environment import quiet_and_local
    from flows.read_request import read_request

    given = options | {"edits": edits or None, "format": format_, "keep": keep.split(",") if keep else None}
    parsed = read_request(request, {name: value for name, value in given.items() if value is not None})
    if parsed.dry_run:
        from flows.dry_run import dry_run

        click.echo(dry_run(parsed))
        return
    from flows.prepare import prepare

    # Refused here, before an orchestrator is started for it.
    prepare(parsed)
    quiet_and_local()
    from flows.augment import augment as flow

    summary = flow(parsed)
    click.echo(_told(summary))
    if summary.given_up:
        sys.exit(INFRASTRUCTURE)
    if summary.failed_share > parsed.max_failed_share:
        click.echo(
            f"oodinv: {summary.failed_share:.1%} of the photos failed, more than --max-failed-share "
            f"{parsed.max_failed_share:.1%}; the report lists them",
            err=True,
        )
        sys.exit(TOO_MANY_FAILED)


def _told(summary: Any) -> str:
    """The summary as a person reads it."""
    folder = Path(summary.target)
    done = f"{summary.shards_done} shards done" if summary.shards_done else "no shard to do"
    lines = [f"{done}, {summary.shards_before} were done before; {summary.seconds:.1f} s"]
    for product, counts in summary.samples.items():
        pending = summary.num_inputs - sum(counts.values())
        said = ", ".join(f"{counts.get(name, 0)} {name}" for name in ("ok", "skipped", "failed", "quarantined"))
        lines.append(f"  {product}: {summary.num_inputs} photos = {said}" + (f", {pending} pending" if pending else ""))
    lines += [f"shard {shard} was given up: {error}" for shard, error in summary.given_up.items()]
    lines.append(f"images and rows   {folder / 'products'}")
    lines.append(f"metadata          {folder / 'latest.json'} (snapshot {summary.snapshot})")
    if summary.sheet_key:
        lines.append(f"contact sheet     {folder / summary.sheet_key}")
    lines.append(f"report            {folder / summary.report_key}")
    return "\n".join(lines)


@main.command()
@click.argument("photo", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--edit", "edit_text", required=True, metavar="EDIT", help="smile=+1.5 or smile=+1,age=-1.")
@click.option(
    "-o", "--out", required=True, type=click.Path(path_type=Path), help="File to write; its suffix says the format."
)
@click.option("--bundle", default="embedded", show_default=True, metavar="NAME|DIR")
@click.option("--detector", type=_DETECTORS, default="centerface", show_default=True)
@_plain_errors
def edit(photo: Path, edit_text: str, out: Path, bundle: str, detector: str) -> None:
    """Edit the faces of one photo, without a dataset."""
    from flows.single import edit_file

    faces = edit_file(photo, edit_text, out, bundle=bundle, detector=detector)
    click.echo(f"{out}: {faces} face{'s' if faces != 1 else ''} edited")


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


@main.group()
def portraits() -> None:
    """The synthetic portrait studio."""


@portraits.command("render")
@click.option("--count", type=click.IntRange(1), required=True, metavar="N")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, metavar="DIR")
@click.option("--seed", type=click.IntRange(0), default=3_000_000, show_default=True, help="Of the first portrait.")
@click.option("--size", type=click.IntRange(64, 2048), default=512, show_default=True, help="Side in pixels.")
@click.option("--accessories", is_flag=True, help="Glasses, hats and other things, with their masks.")
@_plain_errors
def portraits_render(count: int, out: Path, seed: int, size: int, accessories: bool) -> None:
    """Render labelled portraits with exact masks."""
    from oodinv.portraits.dataset import render_dataset

    render_dataset(out, count=count, first_seed=seed, size=size, accessories=accessories, progress=True)
    click.echo(f"{count} portraits in {out}")


@main.group()
def dataset() -> None:
    """Datasets: what is in a target."""


@dataset.command("status")
@click.argument("target", metavar="DIR")
@_plain_errors
def dataset_status(target: str) -> None:
    """Samples by status, per product."""
    from oodinv.ledger.status import dataset_status as status
    from oodinv.store import open_store

    found = status(open_store(target))
    click.echo(f"{found.uri}: {found.num_samples} photos, {found.inventory_parts} inventory parts")
    for p in found.products:
        click.echo(
            f"  {p.product}: {p.planned} = {p.ok} ok + {p.skipped} skipped + {p.failed} failed + "
            f"{p.quarantined} quarantined + {p.pending} pending; shards {p.shards_done}/{p.shards}"
        )


@dataset.command("fsck")
@click.argument("target", metavar="DIR")
@click.option("--quick", is_flag=True, help="Sizes only; do not read every object.")
@_plain_errors
def dataset_fsck(target: str, quick: bool) -> None:
    """Check that everything published is there, whole and accounted for."""
    from oodinv.ledger.fsck import fsck
    from oodinv.store import open_store

    report = fsck(open_store(target), deep=not quick)
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
