"""What docs/manipulation.md and the README tell people to type."""

import ast
import importlib
import re
import shlex

import click
import pytest
from infra_files import ROOT

from flows.cli import main

GUIDE = ROOT / "docs" / "manipulation.md"
TEXTS = {"guide": GUIDE.read_text(), "readme": (ROOT / "README.md").read_text()}


def python_blocks(text: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)


def commands(text: str) -> list[list[str]]:
    """Words of every `oodinv …`, in indented lines and between backticks; comments left out."""
    text = re.sub(r"```python\n.*?```", "", text, flags=re.DOTALL).replace("\\\n", " ")
    lines = re.findall(r"^    (\S.*)$", text, flags=re.MULTILINE) + re.findall(r"`([^`]+)`", text)
    return [shlex.split(line, comments=True) for line in lines if re.match(r"oodinv [a-z]", line)]


def unknown(words: list[str]) -> list[str]:
    """Of one command: what the program does not have. `a|b` in a command is both."""
    command: click.Command = main
    rest = words[1:]
    while isinstance(command, click.Group) and rest:
        name = rest.pop(0)
        if name.strip(",").split("|")[0] not in command.commands:
            return [name]
        command = command.commands[name.split("|")[0]]
    options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    return [word for word in rest if re.match(r"--?[a-z]", word) and word.split("=")[0] not in options | {"--help"}]


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("name", TEXTS)
def test_every_command_and_option_exists(name):
    found = commands(TEXTS[name])
    assert len(found) > 15
    assert [(words, wrong) for words in found if (wrong := unknown(words))] == []


def test_a_misspelt_option_would_be_found():
    told = TEXTS["guide"].replace("--edit yaw=+1.5 --composition follow", "--edit yaw=+1.5 --compositon follow")
    assert [wrong for words in commands(told) if (wrong := unknown(words))] == [["--compositon"]]


def test_python_in_the_guide_is_python_and_imports_what_there_is():
    blocks = python_blocks(TEXTS["guide"])
    assert len(blocks) >= 4
    for block in blocks:
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("oodinv"):
                module = importlib.import_module(str(node.module))
                assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []


@pytest.mark.parametrize(
    "path", [GUIDE, ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda p: p.name
)
def test_links_lead_to_files_and_headings(path):
    for link in re.findall(r"\]\((?!http)([^)]+)\)", path.read_text()):
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.+)$", target.read_text(), flags=re.MULTILINE)
            assert anchor in {slug(heading) for heading in headings}, link


def test_pictures_of_the_guide_are_small_and_drawn_by_scripts():
    scripts = "".join(path.read_text() for path in sorted((ROOT / "docs" / "pictures").glob("*.py")))
    pictures = set(re.findall(r"\(pictures/([\w.]+)\)", TEXTS["guide"]))
    assert pictures == set(re.findall(r'"((?:manipulation_\w+|portraits)\.jpg)"', scripts))
    for picture in pictures:
        assert (ROOT / "docs" / "pictures" / picture).stat().st_size < 200_000
