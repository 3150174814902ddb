"""The prose of Python's documentation: sentences only, each once, the same every time."""

from __future__ import annotations

import pytest

from latentia.data import write_pydoc
from latentia.data.pydoc import STANDARD_LIBRARY, prose, sentences
from latentia.errors import DataError

MODULE = '''
"""Tools for the reading of mail.

This package reads a message and gives it back. It does so e.g. for *old* messages.

    code = block(that, is, indented)

>>> read("mail")
'mail'

name      meaning
----      -------
one       the first of the names

- a list of things that is long
- another thing of the list

See mail.read_all for the details of it.
"""

raise SystemExit("imported")

def read(text: str) -> str:
    """Return the text of a message.

    Return the text of a message.
    """
    if True:
        class Inner:
            """An inner class that isn't hidden."""
    return text
'''


@pytest.fixture
def library(tmp_path):
    """A small standard library, with what must be passed over."""
    root = tmp_path / "lib"
    for folder in ("", "test", "site-packages", "pydoc_data"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "mail.py").write_text(MODULE)
    (root / "test" / "test_mail.py").write_text('"""A test of the reading of mail."""')
    (root / "site-packages" / "other.py").write_text('"""A package that is not of the library."""')
    (root / "pydoc_data" / "topics.py").write_text("topics = {'if': 'The statement is used for conditions.', 'n': 1}")
    (root / "template.py").write_text("def $name(:")
    (root / "binary.py").write_bytes(b"\xff\0\xfe")
    return root


def test_prose_is_taken_and_nothing_else(library):
    assert prose(library) == [
        "tools for the reading of mail .",
        "this package reads a message and gives it back .",
        "it does so e.g. for old messages .",
        "return the text of a message .",
        "an inner class that isn't hidden .",
        "the statement is used for conditions .",
    ]


@pytest.mark.parametrize(
    ("documentation", "expected"),
    [
        ("", []),
        ("The name", []),
        ("Return ``x`` if it is an :class:`int`.", ["return x if it is an int ."]),
        ("Return True (or False) in \u201cstrict\u201d mode.", ["return true ( or false ) in strict mode ."]),
        ("Call close() at the end.", ["call close at the end ."]),
        ("The first line\nand the second, too.", ["the first line and the second , too ."]),
        ("The value of a_name is taken.", []),
        ("The value of x = y is taken.", []),
        ("The file is in os.path somewhere.", []),
        ("lower case at the start.", []),
        ("The end has no stop", []),
        ("Bare words without glue.", []),
        ("The " + "very " * 50 + "long.", []),
    ],
)
def test_sentences(documentation, expected):
    assert list(sentences(documentation)) == expected


def test_a_package_of_this_python_has_prose():
    found = prose(STANDARD_LIBRARY / "email")
    assert len(found) > 100
    assert len(set(found)) == len(found)
    assert all(sentence == sentence.lower() and sentence[-1] in ".!?" for sentence in found)
    assert "a package for parsing , handling , and generating email messages ." in found


def test_no_sources_is_an_error(tmp_path):
    with pytest.raises(DataError, match="no sources with documentation"):
        prose(tmp_path)


def test_written_files_share_no_line(tmp_path):
    root = STANDARD_LIBRARY / "unittest"
    paths = write_pydoc(tmp_path / "a", seed=1, root=root)
    lines = {name: path.read_text().splitlines() for name, path in paths.items()}
    assert list(lines) == ["train", "valid", "test"]
    assert sorted(line for part in lines.values() for line in part) == sorted(prose(root))
    assert len(lines["train"]) > 8 * len(lines["valid"]) > 0
    again = write_pydoc(tmp_path / "b", seed=1, root=root)
    assert all(paths[name].read_bytes() == again[name].read_bytes() for name in paths)
    assert write_pydoc(tmp_path / "c", seed=2, root=root)["test"].read_bytes() != paths["test"].read_bytes()
