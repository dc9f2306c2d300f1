"""The gallery: one HTML page of faces before and after, that needs nothing but itself."""

from oodinv.report.gallery.contents import FaceCard, FaceEdit, Gallery, GalleryFacts, PhotoFailure, ProductCounts
from oodinv.report.gallery.page import gallery_page

__all__ = ["FaceCard", "FaceEdit", "Gallery", "GalleryFacts", "PhotoFailure", "ProductCounts", "gallery_page"]
