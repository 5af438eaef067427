"""The order of the gallery."""

import re
from pathlib import Path


class CourseOrder:
    """Sorts scripts by where the gallery's header names them first.

    Parameters
    ----------
    folder : str
        Where the scripts and the header, README.rst, lie.
    """

    def __init__(self, folder):
        # Made once with a folder that is none, too, so nothing is read here.
        self.header = Path(folder) / "README.rst"

    def __call__(self, script):
        """Return a script's place; a ValueError tells of one that is not named."""
        names = re.findall(r"``(plot_\w+)``", self.header.read_text(encoding="utf-8"))
        return names.index(Path(script).stem)
