"""One dataset after the other, and what gets lost by it."""

import logging
from collections.abc import Sequence

import numpy as np

from oodinv.training.data.dataset import Counterfactual, Dataset
from oodinv.training.data.errors import DatasetError
from oodinv.training.data.pictures import JoinedPictures, Pictures

logger = logging.getLogger(__name__)


def join_datasets(parts: Sequence[Dataset]) -> Dataset:
    """One dataset after the other.

    What only some of them know is known of none then: it is dropped with a warning, and listed in `Dataset.dropped`.

    Raises:
        DatasetError: There are none, or their crops have different sizes.
    """
    if not parts:
        raise DatasetError("no dataset given: name at least one folder")
    if len(parts) == 1:
        return parts[0]
    sizes = {part.size for part in parts}
    if len(sizes) > 1:
        raise DatasetError(f"datasets of one crop size can be joined, got sizes {sorted(sizes)}")
    first = parts[0]
    starts = np.cumsum([0] + [len(part.crop_pictures) for part in parts[:-1]])
    masks = all(part.has_masks for part in parts)
    params = all(part.params is not None and part.parameter_names == first.parameter_names for part in parts)
    label_names = [name for name in first.labels if all(name in part.labels for part in parts)]
    changed = [name for name in first.changed if all(name in part.changed for part in parts)]
    lost = _lost(parts)
    if lost:
        logger.warning(
            "joining drops what not all know: %s", "; ".join(f"{what} ({why})" for what, why in lost.items())
        )
    return Dataset(
        size=first.size,
        rows=np.concatenate([part.rows + start for part, start in zip(parts, starts, strict=True)]),
        crop_pictures=_joined([part.crop_pictures for part in parts]),
        accessory_pictures=_joined([part.accessory_pictures for part in parts]) if masks else None,
        silhouette_pictures=_joined([part.silhouette_pictures for part in parts]) if masks else None,
        changed={name: _join_changed([part.changed[name] for part in parts]) for name in changed},
        params=np.concatenate([part.params for part in parts if part.params is not None]) if params else None,
        parameter_names=first.parameter_names if params else (),
        labels={name: np.concatenate([part.labels[name] for part in parts]) for name in label_names},
        kinds=[kind for part in parts for kind in part.kinds],
        designs=[design for part in parts for design in part.designs],
        landmarks=(
            np.concatenate([part.landmarks for part in parts if part.landmarks is not None])
            if all(part.landmarks is not None for part in parts)
            else None
        ),
        seeds=np.concatenate([part.seeds for part in parts]),
        hashes=[content for part in parts for content in part.hashes],
        left_out=tuple(what for part in parts for what in part.left_out),
        origin=", ".join(part.origin for part in parts if part.origin),
        splits=tuple(sorted({split for part in parts for split in part.splits})),
        dropped={what: why for part in parts for what, why in part.dropped.items()} | lost,
    )


def _lost(parts: Sequence[Dataset]) -> dict[str, str]:
    """By fact, which parts lack it, of the facts that some part has."""
    known = [_known(part) for part in parts]
    lost = {}
    for what in dict.fromkeys(what for facts in known for what in facts):
        without = [
            part.origin or f"dataset {number}"
            for number, (part, facts) in enumerate(zip(parts, known, strict=True), start=1)
            if what not in facts
        ]
        if without:
            lost[what] = f"not in {', '.join(without)}"
    sorts = {part.parameter_names for part in parts if part.params is not None}
    if "params" not in lost and len(sorts) > 1:
        lost["params"] = f"of different names in {' and '.join(part.origin or 'a dataset' for part in parts)}"
    return lost


def _known(part: Dataset) -> list[str]:
    facts = {"masks": part.has_masks, "params": part.params is not None, "landmarks": part.landmarks is not None}
    return [
        *(what for what, there in facts.items() if there),
        *(f"label {name}" for name in part.labels),
        *(f"counterfactual {name}" for name in part.changed),
    ]


def _join_changed(parts: Sequence[Counterfactual]) -> Counterfactual:
    names = [name for name in parts[0].labels if all(name in part.labels for part in parts)]
    return Counterfactual(
        crops=_joined([part.crops for part in parts]),
        accessory=_joined([part.accessory for part in parts]),
        silhouette=_joined([part.silhouette for part in parts]),
        labels={name: np.concatenate([part.labels[name] for part in parts]) for name in names},
        amounts=np.concatenate([part.amounts for part in parts]),
    )


def _joined(parts: Sequence[Pictures | None]) -> Pictures:
    return JoinedPictures(parts=tuple(part for part in parts if part is not None))
