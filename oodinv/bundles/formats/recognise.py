"""Tell a published file by what is in it; names of files say nothing."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from oodinv.bundles.formats import basicsr, featurestyle, irse50, nvlabs, psp, released, rosinality
from oodinv.bundles.formats.files import Checkpoint
from oodinv.bundles.formats.latent_avg import one_style
from oodinv.bundles.formats.parts import GeneratorPart, Parts, Setting
from oodinv.bundles.spec import BundleError
from oodinv.models.e4e import EncoderConfig

StateDict = Mapping[str, Tensor]

_WRAPPERS = ("g_ema", "params_ema", "state_dict", "params", "g")
"""Where publishers put a state dict, the averaged weights before the trained ones."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a file is."""

    kind: str
    """For people: "a …"."""
    parts: Parts


def recognise(checkpoint: Checkpoint, setting: Setting) -> Found:
    """Tell what a file is and translate it.

    Args:
        checkpoint: The file.
        setting: Whose numbers an encoder is to give, see `psp.read_pyramid_encoder`.

    Raises:
        BundleError: It is none of the known layouts, or not whole.
    """
    content, what = checkpoint.content, checkpoint.name
    pickled = nvlabs.find_generator(content)
    if pickled is not None:
        module, averaged = pickled
        generator, average = nvlabs.read_generator(module, what)
        generator = generator if averaged else _as_trained(generator)
        return Found(kind="a StyleGAN2 generator of NVlabs' code", parts=_with_average(generator, average, what))
    if psp.is_checkpoint(content):
        parts = psp.read_checkpoint(content, what, setting)
        return Found(kind=_psp_kind(parts), parts=parts)
    for wrapper, tensors in _state_dicts(content):
        found = _recognise_state_dict(tensors, content, wrapper, what, setting)
        if found is not None:
            return found
    raise BundleError(f"{what} is {_describe_unknown(content)}")


def _recognise_state_dict(
    tensors: StateDict, content: Any, wrapper: str | None, what: str, setting: Setting
) -> Found | None:
    if rosinality.is_generator(tensors):
        generator = rosinality.read_generator(tensors, what)
        if wrapper == "g":
            generator = _as_trained(generator)
        average = content.get("latent_avg") if wrapper is not None else None
        return Found(kind="a StyleGAN2 generator (rosinality)", parts=_with_average(generator, average, what))
    if basicsr.is_generator(tensors):
        generator = basicsr.read_generator(tensors, what)
        return Found(kind="a StyleGAN2 generator (BasicSR)", parts=Parts(generator=generator))
    if released.is_decomposition(tensors):
        parts = released.read_model(tensors, what, setting)
        whole = parts.generator is not None
        kind = "a save of the whole released model" if whole else "a released decomposition (net_g)"
        return Found(kind=kind, parts=parts)
    if featurestyle.is_encoder(tensors):
        encoder = featurestyle.read_encoder(tensors, what, setting)
        return Found(kind="a Feature-Style encoder", parts=Parts(encoder=encoder))
    if irse50.is_identity_network(tensors):
        return Found(kind="an IR-SE identity network", parts=Parts(identity=irse50.read_identity(tensors, what)))
    return None


def _with_average(generator: GeneratorPart, average: Any, what: str) -> Parts:
    style = None if average is None else one_style(average, generator.config.style_dim, what)
    return Parts(generator=generator, latent_avg=style)


def _as_trained(generator: GeneratorPart) -> GeneratorPart:
    note = "The file holds the generator as trained, not its average over training: pictures are rougher."
    return replace(generator, notes=(*generator.notes, note))


def _psp_kind(parts: Parts) -> str:
    assert parts.encoder is not None
    config = parts.encoder.config
    name = ("e4e" if config.progressive else "pSp") if isinstance(config, EncoderConfig) else "ReStyle"
    return f"{'an' if name == 'e4e' else 'a'} {name} checkpoint{'' if parts.generator else ' without generator'}"


def _state_dicts(content: Any) -> Iterator[tuple[str | None, StateDict]]:
    """State dicts in a file, the best first, with the key each lies under."""
    if not isinstance(content, Mapping):
        return
    for name in _WRAPPERS:
        if name in content and _is_state_dict(content[name]):
            yield name, content[name]
    if _is_state_dict(content):
        yield None, content


def _is_state_dict(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(isinstance(key, str) and isinstance(tensor, Tensor) for key, tensor in value.items())
    )


def _begins(*prefixes: str) -> Callable[[StateDict], bool]:
    return lambda tensors: any(key.startswith(prefixes) for key in tensors)


_NOT_USED: tuple[tuple[Callable[[StateDict], bool], str], ...] = (
    (_begins("hypernet."), "a HyperStyle network: import its W encoder or an e4e checkpoint instead"),
    (_begins("mapper."), "a StyleCLIP mapper, which is not an encoder or generator"),
    (_begins("final_linear.", "final_conv."), "a discriminator, which no inversion needs: take the generator's file"),
    (_begins("stylegan_decoder."), "a GFPGAN restoration network, not a plain generator"),
    (_begins("layer1.0.bn1."), "a plain ArcFace backbone (iresnet): the identity network must be model_ir_se50.pth"),
    (
        _begins("body.0.res_layer.", "input_layer."),
        "a face network other than IR-SE (CurricularFace or plain IR): the identity network must be model_ir_se50.pth",
    ),
    (_begins("generator_smooth.", "encoder.conv_layer"), "a StyleRes network: import its e4e encoder and generator"),
)


def _describe_unknown(content: Any) -> str:
    if isinstance(content, Tensor) or (isinstance(content, Mapping) and {"comp", "std"} <= set(content)):
        return "a direction, not a network: pass it as --direction NAME=FILE"
    dicts = list(_state_dicts(content))
    if isinstance(content, Mapping) and not dicts:
        dicts = [(str(name), value) for name, value in content.items() if _is_state_dict(value)]
    for _, tensors in dicts:
        for is_it, sentence in _NOT_USED:
            if is_it(tensors):
                return sentence
    names = list(dicts[0][1]) if dicts else list(content) if isinstance(content, Mapping) else [type(content).__name__]
    return (
        "none of the known layouts: expected a StyleGAN2 generator (rosinality, BasicSR, NVlabs), an encoder (e4e, "
        "pSp, ReStyle, Feature-Style), a released decomposition or an IR-SE identity network, it holds "
        f"{', '.join(repr(str(name)[:60]) for name in names[:5]) or 'nothing'}"
    )
