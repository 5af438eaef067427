"""Links between files of the repository, as links between pages of the site.

The documents link each other by their places in the repository, which code hosts
follow. Some of them have another place on the site.
"""

import posixpath
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Files of the repository that are pages of the site under another name.
PAGES = {
    "README.md": "included/readme.md",
    "CHANGELOG.md": "included/changelog.md",
    "CONTRIBUTING.md": "included/contributing.md",
    "examples/README.rst": "auto_examples/index.rst",
}
LINK = re.compile(r"\[(?P<text>[^\[\]]*)\]\((?P<file>[^)#\s:]+)(?P<rest>[)#])")


def on_the_site(text, source, docname):
    """Return Markdown with its links as they must be on a page of the site.

    Parameters
    ----------
    text : str
    source : str
        The file that the text is from, in the repository.
    docname : str
        The page that shows it: its place below docs/, without a suffix.
    """
    folder = posixpath.dirname(f"/docs/{docname}")
    around = posixpath.dirname(source)

    def replaced(link):
        target = posixpath.normpath(posixpath.join(around, link["file"]))
        if not (ROOT / target).is_file():
            return link[0]  # MyST reports a link that leads nowhere; or it is code
        place = f"/docs/{PAGES[target]}" if target in PAGES else f"/{target}"
        place = posixpath.relpath(place, folder)
        text = link["text"]
        if docname == "index" and text == link["file"]:
            text = ""  # a list of pages: MyST puts their titles in
        return f"[{text}]({place}{link['rest']}"

    return LINK.sub(replaced, text)


def on_source_read(app, docname, content):
    """Do so with a page."""
    page = Path(app.env.doc2path(docname))
    if page.suffix == ".md":
        source = page.relative_to(ROOT).as_posix()
        content[0] = on_the_site(content[0], source, docname)


def on_include_read(app, path, parent, content):
    """Do so with a file that a page includes."""
    source = posixpath.normpath(f"docs/{Path(path).as_posix()}")
    content[0] = on_the_site(content[0], source, app.env.docname)


def setup(app):
    """Register with Sphinx."""
    app.connect("source-read", on_source_read)
    app.connect("include-read", on_include_read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
