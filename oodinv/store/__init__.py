"""Where photos come from and results go: objects under keys, with create-only writes."""

from oodinv.store.errors import (
    AccessError,
    ConditionsUnsupported,
    LocationError,
    ObjectMissing,
    ObjectRefused,
    OutcomeUnknown,
    StoreError,
)
from oodinv.store.folder import FolderStore
from oodinv.store.location import local_folder, open_source, open_store
from oodinv.store.photos import PhotoFolder
from oodinv.store.protocol import DEFAULT_ACCESS, Access, ObjectInfo, Store

__all__ = [
    "DEFAULT_ACCESS",
    "Access",
    "AccessError",
    "ConditionsUnsupported",
    "FolderStore",
    "LocationError",
    "ObjectInfo",
    "ObjectMissing",
    "ObjectRefused",
    "OutcomeUnknown",
    "PhotoFolder",
    "Store",
    "StoreError",
    "local_folder",
    "open_source",
    "open_store",
]
