"""A face's numbers as people read them."""

from oodinv.report.gallery.contents import FaceEdit


def numbers_of(edit: FaceEdit) -> list[tuple[str, str]]:
    """Label and value of every number that is known."""
    found = []
    if edit.ood_area is not None:
        found.append(("OOD area", f"{edit.ood_area:.1%}"))
    if edit.recon_psnr is not None:
        found.append(("PSNR", f"{edit.recon_psnr:.1f} dB"))
    if edit.id_similarity is not None:
        found.append(("identity", f"{edit.id_similarity:.3f}"))
    return found
