"""Networks that judge pictures. Each is optional: without its weights, its rows are absent."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch import Tensor

from oodinv.evaluation.errors import EvaluationError
from oodinv.faces import FaceDetector, load_detector
from oodinv.imaging.convert import to_uint8
from oodinv.metrics.inception import Inception
from oodinv.metrics.lpips import Lpips

_LEAST_SIDE = 256
"""Smaller crops are enlarged before a face is looked for."""

Network = TypeVar("Network")


@runtime_checkable
class Regressor(Protocol):
    """Predicts attributes in standard deviations; best one that had no part in any bundle."""

    def predict(self, crops: Float[Tensor, "batch 3 size size"]) -> Mapping[str, Float[Tensor, " batch"]]:
        """Attributes by name."""
        ...


@dataclass(frozen=True, kw_only=True)
class Judges:
    """What was given to judge by."""

    lpips: Lpips | None = None
    inception: Inception | None = None
    regressor: Regressor | None = None
    regressor_sha256: str | None = None
    """Of its weights, to be told apart from the one that made a bundle's directions."""
    detector: FaceDetector | None = None
    told: dict[str, str] = field(default_factory=dict)
    """For the protocol: what each network is, with its sha256."""

    def faces(self, images: Float[Tensor, "batch 3 size size"]) -> np.ndarray | None:
        """Whether a face is found in each crop; a picture that is not finite has none. None = nobody looks."""
        if self.detector is None:
            return None
        return np.array([_has_face(image, self.detector) for image in images.float().cpu()])


def load_judges(
    *,
    lpips: Path | None = None,
    inception: Path | None = None,
    regressor: Path | None = None,
    detector: Literal["centerface", "face-alignment"] | None = None,
    device: str = "cpu",
) -> Judges:
    """Load the networks whose files are given.

    Args:
        lpips: Safetensors of `Lpips`, see `evaluation.convert`.
        inception: Safetensors of `Inception`, see `evaluation.convert`.
        regressor: Folder or file of `training.regressor.AttributeRegressor`.
        detector: Looks for faces in what comes out; one that is missing counts as a failure.
        device: Where LPIPS and Inception compute.

    Raises:
        EvaluationError: A file is missing, damaged or another network's.
    """
    told, networks = {}, {}
    makers: dict[str, tuple[Path | None, Callable[[Mapping[str, Tensor]], torch.nn.Module]]] = {
        "lpips": (lpips, Lpips.from_weights),
        "inception": (inception, Inception.from_weights),
    }
    for name, (path, make) in makers.items():
        if path is not None:
            networks[name], digest = _load(path, make)
            networks[name].to(device)
            told[name] = f"{path.name}, sha256 {digest}"
    found_lpips, found_inception = networks.get("lpips"), networks.get("inception")
    assert found_lpips is None or isinstance(found_lpips, Lpips)
    assert found_inception is None or isinstance(found_inception, Inception)
    if found_lpips is not None:
        told["lpips"] = f"LPIPS 0.1, {found_lpips.shape.name}: {told['lpips']}"
    predictor: Regressor | None = None
    digest_of_regressor: str | None = None
    if regressor is not None:
        from oodinv.training.regressor import AttributeRegressor, regressor_sha256

        predictor = AttributeRegressor.load(regressor)
        digest_of_regressor = regressor_sha256(regressor)
        told["regressor"] = f"{regressor.name}, sha256 {digest_of_regressor}"
    if detector is not None:
        told["detector"] = detector
    return Judges(
        lpips=found_lpips,
        inception=found_inception,
        regressor=predictor,
        regressor_sha256=digest_of_regressor,
        detector=None if detector is None else load_detector(detector),
        told=told,
    )


def _load(path: Path, make: Callable[[Mapping[str, Tensor]], Network]) -> tuple[Network, str]:
    try:
        data = path.read_bytes()
        return make(load_tensors(data)), hashlib.sha256(data).hexdigest()
    except OSError as error:
        raise EvaluationError(f"{path} cannot be read: {error.strerror}; check the spelling") from error
    except SafetensorError as error:
        raise EvaluationError(
            f"{path} is not a safetensors file ({error}); python -m oodinv.evaluation.convert makes one"
        ) from error
    except ValueError as error:
        raise EvaluationError(f"{path}: {error}") from error


def _has_face(image: Tensor, detector: FaceDetector) -> bool:
    if not torch.isfinite(image).all():
        return False
    side = image.shape[-1]
    if side < _LEAST_SIDE:
        image = torch.nn.functional.interpolate(image[None], size=(_LEAST_SIDE, _LEAST_SIDE), mode="bicubic")[0]
    # Detectors expect a face with something around it.
    rim = image.shape[-1] // 4
    return bool(detector.detect(np.pad(to_uint8(image.numpy()), ((rim, rim), (rim, rim), (0, 0)), mode="edge")))
