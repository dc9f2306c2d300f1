"""What a picture says about its own making, as an XMP packet that every format carries.

IPTC's digital source type says that a part of the picture was made by a trained algorithm; beside it stand the product
and the bundle, as in the dataset's rows. XMP packets are made to be found without knowing the format around them
(XMP specification, part 3), which is how they are read here.
"""

import re
from dataclasses import dataclass

SYNTHETIC = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
"""A photo with parts that were made by a trained algorithm."""

_NAMESPACE = "urn:oodinv:provenance#"
_PACKET = re.compile(rb"<x:xmpmeta[ >].*?</x:xmpmeta>", re.DOTALL)
_VALUE = re.compile(r"[A-Za-z0-9._+-]*")


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What made a picture. Values are letters, digits and ``._+-``."""

    product: str
    """Name of the product; of a single photo the edit's slug."""
    fingerprint: str
    """Of the product, SHA-256; empty for a single photo."""
    bundle_sha256: str
    """Of the model bundle."""

    def __post_init__(self):
        """Refuse what would have to be quoted."""
        for name in ("product", "fingerprint", "bundle_sha256"):
            if not _VALUE.fullmatch(getattr(self, name)):
                raise ValueError(f"{name} holds letters, digits and ._+- only, got {getattr(self, name)[:80]!r}")

    def packet(self) -> bytes:
        """The packet: the same for the same provenance."""
        return (
            '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
            '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
            '<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
            ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
            f' xmlns:oodinv="{_NAMESPACE}" xmp:CreatorTool="oodinv"'
            f' Iptc4xmpExt:DigitalSourceType="{SYNTHETIC}"'
            f' oodinv:product="{self.product}" oodinv:fingerprint="{self.fingerprint}"'
            f' oodinv:bundle="{self.bundle_sha256}"/></rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
        ).encode()


def read_provenance(data: bytes) -> Provenance | None:
    """What a file says about its making; None when it says nothing, or not that it is synthetic.

    Args:
        data: A whole JPEG, PNG or WebP file.
    """
    for found in _PACKET.finditer(data):
        packet = found[0].decode("utf-8", "replace")
        if f'Iptc4xmpExt:DigitalSourceType="{SYNTHETIC}"' not in packet or f'"{_NAMESPACE}"' not in packet:
            continue
        values = [re.search(rf'\boodinv:{name}="([^"<]*)"', packet) for name in ("product", "fingerprint", "bundle")]
        product, fingerprint, bundle = (value[1] if value else "" for value in values)
        if _VALUE.fullmatch(product + fingerprint + bundle):
            return Provenance(product=product, fingerprint=fingerprint, bundle_sha256=bundle)
    return None
