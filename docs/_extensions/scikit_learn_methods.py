"""Methods that classes have from scikit-learn: their names, and no more."""

import inspect
import textwrap

NOTE = """
.. rubric:: From scikit-learn

Methods that scikit-learn documents: {names}.
"""


def is_theirs(member):
    """Tell whether a member of a class is scikit-learn's code."""
    member = member.fget if isinstance(member, property) else member
    return (getattr(member, "__module__", None) or "").startswith("sklearn.")


def methods(cls):
    """Return the names of a class's public methods that are scikit-learn's."""
    found = inspect.getmembers(cls, lambda member: callable(member))
    return [name for name, m in found if not name.startswith("_") and is_theirs(m)]


def on_skip_member(app, what, name, member, skip, options):
    """Leave such members out, whose texts link to scikit-learn's own pages."""
    return True if is_theirs(member) else None


def on_docstring(app, what, name, obj, options, lines):
    """Name them below the class's text."""
    if inspect.isclass(obj) and (names := methods(obj)):
        note = NOTE.format(names=", ".join(f"``{name}``" for name in names))
        lines.extend(textwrap.dedent(note).splitlines())


def setup(app):
    """Register with Sphinx."""
    app.connect("autodoc-skip-member", on_skip_member)
    # After numpydoc, which takes what stands below a section for a part of it.
    app.connect("autodoc-process-docstring", on_docstring, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
