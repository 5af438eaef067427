"""Model files: estimators as numbers and text, with nothing to run. See docs/files.md.

Arrows go one way: models -> networks, neurons -> attributes -> values -> container.
"""

from .models import load, save

__all__ = ["load", "save"]
