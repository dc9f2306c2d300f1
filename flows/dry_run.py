"""What a run would do, without leaving a trace."""

from flows.prepare import actors_for, prepare
from flows.request import AugmentRequest
from oodinv.cluster.crews import Actors
from oodinv.ledger.inputs import is_photo_key
from oodinv.store import open_source


def dry_run(request: AugmentRequest) -> str:
    """The plan as text: products, photos, workers. Writes nothing, not even the inventory."""
    settings = prepare(request, write=False)
    photos = [info for info in open_source(request.source, settings.access).list() if is_photo_key(info.key)]
    lines = [
        f"{len(photos)} photos, {sum(info.size for info in photos) / 1e6:.1f} MB in {request.source}",
        f"{_told(actors_for(request))}, {request.shard_size} photos per shard",
        "products: " + ", ".join(product.name for product in (settings.faces, *settings.products)),
        "nothing was written; what is committed in the target already would be skipped",
    ]
    return "\n".join(lines)


def _told(actors: Actors) -> str:
    finders = f" and {actors.faces_here} for faces" if actors.faces_here else ""
    return f"{actors.here} workers{finders}"
