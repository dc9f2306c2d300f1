"""Which file gives which part of a bundle."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from oodinv.bundles.formats.files import read_checkpoint
from oodinv.bundles.formats.latent_avg import agreed
from oodinv.bundles.formats.parts import ROLES, Parts, Role, Setting
from oodinv.bundles.formats.recognise import recognise
from oodinv.bundles.spec import BundleError

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Source:
    """A file that was read."""

    name: str
    sha256: str
    kind: str
    parts: Parts = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The parts of a bundle, each with where it comes from."""

    sources: Mapping[Role, Source]
    latent_avg: Tensor | None = field(repr=False)

    def part(self, role: Role) -> Any:
        """A part; None where no file gives it."""
        return getattr(self.sources[role].parts, role) if role in self.sources else None

    def where(self, role: Role) -> str:
        """Name of the file that gives a part."""
        return self.sources[role].name


def choose_parts(files: Sequence[Path], given: Mapping[Role, Path], setting: Setting, say: Say) -> Chosen:
    """Read all files and decide which part comes from which.

    A file named for a part gives it. Other parts come from the files named for nothing; what none of those has, from
    files named for something else: an e4e checkpoint named as encoder also gives its generator.

    Args:
        files: Named for nothing.
        given: Files by the part they are to give.
        setting: See `recognise`.
        say: Told one line per file.

    Raises:
        BundleError: A file is not what it was named for, two files give one part differently, or their mean styles
            differ.
    """
    read: dict[Path, Source] = {}
    for path in (*files, *given.values()):
        if path.resolve() not in read:
            read[path.resolve()] = _read(path, setting, say)
    loose = [read[path.resolve()] for path in dict.fromkeys(files)]
    named = {role: read[path.resolve()] for role, path in given.items()}
    sources: dict[Role, Source] = {}
    for role in ROLES:
        if role in named:
            if role not in named[role].parts.roles():
                raise BundleError(
                    f"--{role} {named[role].name}: expected {_an(role)}, the file is {named[role].kind}, which gives "
                    f"{' and '.join(named[role].parts.roles())}"
                )
            sources[role] = named[role]
            continue
        for candidates in (loose, list(named.values())):
            having = [source for source in candidates if role in source.parts.roles()]
            if having:
                _refuse_two(role, having)
                sources[role] = having[0]
                break
    return Chosen(sources=sources, latent_avg=_latent_avg(sources))


def _read(path: Path, setting: Setting, say: Say) -> Source:
    say(f"reading {path}")
    checkpoint = read_checkpoint(path)
    found = recognise(checkpoint, setting)
    say(f"{checkpoint.name}: {found.kind}, gives {' and '.join(found.parts.roles())}")
    return Source(name=checkpoint.name, sha256=checkpoint.sha256, kind=found.kind, parts=found.parts)


def _latent_avg(sources: Mapping[Role, Source]) -> Tensor | None:
    """Of the files in use; the encoder's before the generator's, whose offsets are from it."""
    used = [sources[role] for role in ("encoder", "generator", "decomposition") if role in sources]
    return agreed([(s.name, s.parts.latent_avg) for s in used if s.parts.latent_avg is not None])


def _refuse_two(role: Role, having: Sequence[Source]) -> None:
    """Several files may hold a part as long as it is the same: an e4e checkpoint beside its own generator."""
    for other in having[1:]:
        if not _same(getattr(having[0].parts, role), getattr(other.parts, role)):
            raise BundleError(
                f"{having[0].name} and {other.name} hold different {role}s: say which one to take with --{role} FILE"
            )


def _same(one: Any, other: Any) -> bool:
    if _config(one) != _config(other):
        return False
    ours, theirs = (getattr(part, "weights", None) or getattr(part, "tensors", {}) for part in (one, other))
    return set(ours) == set(theirs) and all(torch.equal(ours[name], theirs[name]) for name in ours)


def _config(part: Any) -> Any:
    return getattr(part, "config", None)


def _an(role: Role) -> str:
    return f"{'an' if role[0] in 'aeiou' else 'a'} {role}{' network' if role == 'identity' else ''}"
