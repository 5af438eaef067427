"""The documentation's site builds without a warning; nothing is missing or broken.

The scripts of the gallery are not run here: `test_examples` does so.
"""

import inspect
import posixpath
import re
import shutil
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from helpers import run_python

for package in ("sphinx", "myst_parser", "numpydoc", "sphinx_gallery", "furo"):
    pytest.importorskip(package)
for package in ("matplotlib", "onnx"):
    pytest.importorskip(package)

ROOT = Path(__file__).resolve().parents[2]
if not (ROOT / "docs").is_dir():
    pytest.skip("the documents are not installed", allow_module_level=True)
SOURCES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")
BUILT = shutil.ignore_patterns("_build", "generated", "auto_examples", "__pycache__")
MODULES = (
    "fastnn",
    "fastnn.activations",
    "fastnn.model_selection",
    "fastnn.inspection",
    "fastnn.inspection.ensembles",
    "fastnn.onnx",
)


class Page(HTMLParser):
    """What can be checked of a page.

    Attributes
    ----------
    ids : set of str
        What a link can lead to.
    links : list of str
        What it needs and where it leads.
    menu : list of str
        Where the links of the sidebar lead.
    signatures : dict of str to str
        Signatures by the full name of what they are of.
    titles : dict of str to list of str
        Titles of the sections in docstrings, by the name whose signature is above.
    dead : list of str
        What roles such as :class: name without a link.
    """

    def __init__(self, html):
        super().__init__()
        self.ids, self.links, self.menu = set(), [], []
        self.signatures, self.titles, self.dead = {}, {}, []
        self.name, self.text, self.open = None, [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        """Note an element's id and link, and open it."""
        given = dict(attributes)
        words = set((given.get("class") or "").split())
        self.ids |= {given[key] for key in ("id", "name") if given.get(key)}
        link = given.get("href") or given.get("src")
        if link is not None:
            self.links.append(link)
            if tag == "a" and any("sidebar-tree" in words for _, words in self.open):
                self.menu.append(link)
        if tag == "dt" and "sig" in words:
            self.name = given.get("id")
        if tag in ("dt", "p", "code"):
            self.text = []
        if tag not in VOID:
            self.open.append((tag, words))

    def handle_data(self, data):
        """Keep text until its element ends."""
        self.text.append(data)

    def handle_endtag(self, tag):
        """Close the innermost element of that name, and what was left open in it."""
        places = [i for i, (name, _) in enumerate(self.open) if name == tag]
        if not places:
            return
        words = self.open[places[-1]][1]
        linked = any(name == "a" for name, _ in self.open)
        if tag == "code" and "xref" in words and not linked and "py-obj" not in words:
            self.dead.append("".join(self.text))
        del self.open[places[-1] :]
        text = "".join(self.text).strip(" \n:¶")
        if tag == "dt" and "sig" in words:
            self.signatures[self.name] = text
        elif words & {"field-odd", "field-even", "rubric", "admonition-title"}:
            self.titles.setdefault(self.name, []).append(text.lower())


# Elements that have no end.
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta"}
VOID |= {"source", "track", "wbr"}


def read_site(folder):
    """Return the pages of a site, by their place in it."""
    return {
        path.relative_to(folder).as_posix(): Page(path.read_text(encoding="utf-8"))
        for path in sorted(folder.rglob("*.html"))
    }


def target_of(name, link):
    """Return the place in the site and the anchor that a page's link leads to."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return None  # another host, or an image within the page
    place = posixpath.join(posixpath.dirname(name), unquote(parts.path))
    place = posixpath.normpath(place) if parts.path else name
    return place, unquote(parts.fragment)


def is_broken(folder, pages, file, anchor):
    if file.startswith("..") or not (folder / file).is_file():
        return True
    return bool(anchor and file in pages and anchor not in pages[file].ids)


def broken_links(folder, pages):
    """Return the links that lead to no file of the site, or to no anchor of a page."""
    targets = [
        (name, link, target_of(name, link))
        for name, page in pages.items()
        for link in page.links
    ]
    return [
        (name, link)
        for name, link, target in targets
        if target and is_broken(folder, pages, *target)
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Build the site from a copy, as building writes between the sources."""
    folder = tmp_path_factory.mktemp("site")
    for name in ("docs", "examples"):
        shutil.copytree(ROOT / name, folder / name, ignore=BUILT)
    for name in SOURCES:
        shutil.copy(ROOT / name, folder / name)
    status = run_python(
        """
        import sys
        from sphinx.cmd.build import main

        options = "-q -W --keep-going -D plot_gallery=0 -b html".split()
        print(main([*options, *sys.argv[1:]]))
        """,
        args=("-w", folder / "warnings", folder / "docs", folder / "html"),
        timeout=240,
        MPLBACKEND="Agg",
    )
    warnings = (folder / "warnings").read_text(encoding="utf-8")
    assert (status, warnings) == (0, "")
    return folder / "html"


@pytest.fixture(scope="module")
def pages(folder):
    return read_site(folder)


def public(module):
    """Return a module's public classes and functions, by name."""
    names = getattr(module, "__all__", None)
    if names is None:
        names = [name for name in vars(module) if not name.startswith("_")]
        names = [n for n in names if is_of(getattr(module, n), module.__name__)]
    found = {name: getattr(module, name) for name in names}
    return {name: item for name, item in found.items() if callable(item)}


def is_of(item, prefix):
    """Tell whether something was defined in a module, or in one below it."""
    item = item.fget if isinstance(item, property) else item
    return f"{getattr(item, '__module__', '')}.".startswith(f"{prefix}.")


NAMES = [f"{name}.{item}" for name in MODULES for item in public(import_module(name))]


def sections(item):
    """Return the titles of the sections of a docstring."""
    from numpydoc.docscrape import ClassDoc, FunctionDoc

    if inspect.isclass(item):
        doc = ClassDoc(item, config={"show_class_members": False})
    else:
        doc = FunctionDoc(item)
    own = ("Signature", "Summary", "Extended Summary", "index")
    return {title.lower() for title in doc if title not in own and doc[title]}


def check(page, name, item):
    """Check that a page has a signature and all sections of a docstring."""
    for parameter in inspect.signature(item).parameters:
        if parameter != "self":
            assert re.search(rf"\b{parameter}\b", page.signatures[name]), parameter
    assert inspect.getdoc(item), name
    assert sections(item) <= set(page.titles.get(name, ())), name


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_has_a_page(name, pages):
    """With its methods, and all that docstrings say."""
    module, _, short = name.rpartition(".")
    item = getattr(import_module(module), short)
    page = pages[f"generated/{name}.html"]
    check(page, name, item)
    if not inspect.isclass(item) or issubclass(item, Exception):
        return
    for method in dir(item):
        member = getattr(item, method)
        if not method.startswith("_") and is_of(member, "fastnn"):
            if isinstance(member, property):
                assert f"{name}.{method}" in page.signatures
            else:
                check(page, f"{name}.{method}", member)


def test_names_are_found():
    assert len(NAMES) == len(set(NAMES)) > 35
    assert {"fastnn.MLPClassifier", "fastnn.inspection.ensembles.std"} <= set(NAMES)
    assert {"parameters", "raises", "examples"} <= sections(
        import_module("fastnn.inspection.ensembles").summarise
    )


def test_what_is_no_class_or_function_is_in_the_reference(pages):
    ids = pages["api.html"].ids
    assert {"fastnn.__version__", *(f"module-{name}" for name in MODULES[1:])} <= ids


def test_methods_of_scikit_learn_are_only_named(folder, pages):
    name = "generated/fastnn.MLPClassifier.html"
    assert "fastnn.MLPClassifier.set_fit_request" not in pages[name].ids
    text = (folder / name).read_text(encoding="utf-8")
    note = text[text.index("From scikit-learn</p>") :]
    for method in ("get_params", "set_fit_request", "set_output"):
        assert f">{method}<" in re.sub(r"</?span[^>]*>", "", note)


def test_every_command_is_in_the_reference(folder):
    from fastnn.cli.options import build_parser

    commands = build_parser().format_help().partition("\ncommands:\n")[2]
    commands = re.findall(r"^    (\w+) ", commands, re.MULTILINE)
    assert {"tune", "predict", "warmup"} <= set(commands)
    text = (folder / "api.html").read_text(encoding="utf-8")
    for command in commands:
        assert f"usage: python -m fastnn {command} " in text
        assert f"<code>python -m fastnn {command}</code>" in re.sub(
            r"</?span[^>]*>| class=\"[^\"]*\"", "", text
        )


def test_every_page_is_in_the_menu(pages):
    """In that of the first page, which shows all trees of contents."""
    menu = {target_of("index.html", link)[0] for link in pages["index.html"].menu}
    docs = ROOT / "docs"
    written = {
        path.relative_to(docs).with_suffix("").as_posix()
        for path in docs.rglob("*.md")
        if not {"_build", "generated", "auto_examples"} & set(path.parts)
    } - {"index"}
    shown = {f"{name}.html" for name in written}
    assert len(shown) > 12
    assert shown <= menu
    made = {name for name in pages if name.startswith(("generated/", "auto_examples/"))}
    assert len(made) == len(NAMES) + len(list((ROOT / "examples").glob("plot_*"))) + 1
    assert made <= menu


def test_the_gallery_has_the_order_of_its_header(pages):
    header = (ROOT / "examples" / "README.rst").read_text(encoding="utf-8")
    course = re.findall(r"``(plot_\w+)``", header)
    listed = [Path(link).stem for link in pages["index.html"].menu if "/plot_" in link]
    assert listed == course
    assert course[0] == "plot_neurons"


def test_links_lead_somewhere(folder, pages):
    local = [link for page in pages.values() for link in page.links]
    assert sum("#" in link for link in local) > 500
    assert sum(link.endswith(".md") for link in local) == 0  # of the repository
    assert broken_links(folder, pages) == []


def test_names_lead_somewhere(pages):
    """Those with a role; without one they are code, where there is no such object."""
    dead = {name for page in pages.values() for name in page.dead}
    dead -= {"fastnn"}  # in the index of modules, for those below it
    assert all(name.startswith("sklearn.") for name in dead), dead
    page = Page('<p><code class="xref py py-class">a.B</code></p>')
    assert page.dead == ["a.B"]
    assert Page('<a href="x"><code class="xref py py-class">B</code></a>').dead == []


def test_broken_links_would_be_noticed(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.css").touch()
    (tmp_path / "sub" / "b.html").write_text(
        '<a href="../a.html#here">ok</a><img src="none.png"><a href="#x">no</a>'
        '<a href="../a.html#there">no</a><a href="../../a.html">no</a>'
    )
    (tmp_path / "a.html").write_text(
        '<link href="a.css?v=1"><br id="here"><a href="sub/b.html">ok</a>'
        '<a href="https://x.invalid/#y">not ours</a><a href="sub/c.html">no</a>'
    )
    assert broken_links(tmp_path, read_site(tmp_path)) == [
        ("a.html", "sub/c.html"),
        ("sub/b.html", "none.png"),
        ("sub/b.html", "#x"),
        ("sub/b.html", "../a.html#there"),
        ("sub/b.html", "../../a.html"),
    ]
