"""What a gallery shows, before it is a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class GalleryFacts:
    """What only the caller knows: a run's speed, its cost."""

    title: str | None = None
    """Of the page; by default the dataset's name."""

    pairs: Sequence[tuple[str, str]] = ()
    """Label and value, e.g. ``("photos/s", "0.56")``, in the order in which they are shown."""


@dataclass(frozen=True, kw_only=True)
class ProductCounts:
    """One product's samples."""

    label: str
    """For people: ``smile +1.5``."""

    name: str
    """In the ledger: ``smile_p1.50-77d01b3e``."""

    samples: Mapping[str, int]
    """By status; what is missing of all inputs is pending."""


@dataclass(frozen=True, kw_only=True)
class FaceEdit:
    """One face in one edit."""

    status: str
    """Of the face's row; ``pending`` without one."""

    reason: str = ""
    """Why it is not ok."""

    result: bytes | None = field(default=None, repr=False)
    """JPEG; None where there is none to show."""

    mask: bytes | None = field(default=None, repr=False)
    """Grey JPEG, white is kept from the photo."""

    ood_area: float | None = None
    """Share of the crop, 0 to 1."""

    recon_psnr: float | None = None
    """dB."""

    id_similarity: float | None = None
    """Cosine."""


@dataclass(frozen=True, kw_only=True)
class FaceCard:
    """One face, photographed and in every edit."""

    key: str
    """Of its photo, below the source."""

    sample_id: str
    face_index: int
    num_faces: int
    photo: bytes = field(repr=False)
    """JPEG, square, as every picture of the face."""

    reconstruction: bytes = field(repr=False)
    edits: Sequence[FaceEdit]
    """One for each of the gallery's edits."""


@dataclass(frozen=True, kw_only=True)
class PhotoFailure:
    """A photo without result, and why."""

    key: str
    sample_id: str
    status: str
    error_class: str
    message: str
    edits: Sequence[int]
    """Which of the gallery's edits have no result for this reason; empty where only faces were looked for."""


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """Everything on the page."""

    title: str
    num_inputs: int
    snapshot: int | None
    """None before anything was published."""

    facts: Sequence[tuple[str, str]] = ()
    products: Sequence[ProductCounts] = ()
    edits: Sequence[str] = ()
    """Labels."""

    faces: Sequence[FaceCard] = ()
    failures: Sequence[PhotoFailure] = ()
    unlisted: Mapping[str, int] = field(default_factory=dict)
    """Photos without result beyond the ``failures``, by status."""

    def __post_init__(self):
        for face in self.faces:
            if len(face.edits) != len(self.edits):
                raise ValueError(f"every face needs {len(self.edits)} edits, got {len(face.edits)} for {face.key!r}")
