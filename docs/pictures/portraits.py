"""The sheet of rendered portraits of docs/manipulation.md: `python docs/pictures/portraits.py [DATASET]`.

Without a dataset it renders the one that is shown, which takes minutes.
"""

import sys
import tempfile
from pathlib import Path

from oodinv.evaluation.sheets import dataset_sheet
from oodinv.portraits.recipe import Recipe
from oodinv.portraits.rendering import render_dataset
from oodinv.training.data import open_dataset

HERE = Path(__file__).parent
RECIPE = Recipe(
    split="test",
    start=6000,
    count=64,
    accessory_share=0.33,
    counterfactuals=("smile+2", "age+2", "gender+2", "yaw+2", "mouth_open+2"),
)


def main(dataset: Path | None) -> None:
    """Draw the sheet."""
    with tempfile.TemporaryDirectory() as folder:
        if dataset is None:
            dataset = Path(folder, "portraits")
            render_dataset(dataset, RECIPE)
        sheet = dataset_sheet(open_dataset((dataset,), cache=Path(folder)), tile=100)
    sheet.convert("RGB").save(HERE / "portraits.jpg", quality=76, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
