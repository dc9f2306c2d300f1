"""What a resumed run must share with the one before it."""

import hashlib
from dataclasses import asdict
from typing import Any

from oodinv.training.data import Dataset


def fingerprint(data: Dataset, **configs: Any) -> dict[str, Any]:
    """Configurations (dataclasses or plain values) and the pictures, as JSON.

    Args:
        data: Every crop counts, in its order.
        configs: By name.
    """
    digest = hashlib.sha256("".join(data.hashes).encode()).hexdigest()[:16]
    told = {name: asdict(c) if hasattr(c, "__dataclass_fields__") else c for name, c in configs.items()}
    return told | {"pictures": {"count": len(data), "size": data.size, "sha256": digest}}
