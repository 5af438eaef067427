"""Looking into networks: their size and work, worked examples, how sure they are."""

from .text import export_text

__all__ = ["export_text"]
