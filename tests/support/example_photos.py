"""Small versions of the example photos: a detector and a tiny model need milliseconds for them."""

from pathlib import Path

from PIL import Image

EXAMPLES = Path(__file__).parents[2] / "examples" / "photos"


def example(name: str) -> Image.Image:
    """An example photo, upright RGB."""
    with Image.open(EXAMPLES / name) as image:
        return image.convert("RGB")


def astronaut() -> Image.Image:
    """A real face of about 60 px in 200 x 200."""
    return example("astronaut-eileen-collins.jpg").crop((120, 0, 360, 240)).resize((200, 200), Image.Resampling.LANCZOS)


def portrait(side: int = 220) -> Image.Image:
    """A rendered face."""
    return example("portrait-01.jpg").resize((side, side), Image.Resampling.LANCZOS)


def write_small_photos(folder: Path) -> Path:
    """Write one photo of each kind; the folder."""
    group = example("group-of-three.jpg")
    astronaut().save(folder / "astronaut.png")
    portrait().save(folder / "portrait.jpg", quality=92)
    group.resize((group.width // 2, group.height // 2), Image.Resampling.LANCZOS).save(
        folder / "three.webp", quality=92
    )
    example("no-face.jpg").resize((160, 160), Image.Resampling.LANCZOS).save(folder / "table.jpg", quality=92)
    return folder


def many_photos(small_photos: Path, folder: Path, count: int) -> Path:
    """Copies of three of them; every third has no face. No two files are equal: those are computed once."""
    folder.mkdir()
    for number in range(count):
        name = ("portrait.jpg", "astronaut.png", "table.jpg")[number % 3]
        (folder / f"{number:02d}-{name}").write_bytes((small_photos / name).read_bytes() + bytes([number]))
    return folder
