import re

import click
import pytest
from infra_files import INFRA, OPERATIONS, ROOT

from flows.cli import main

TEXT = OPERATIONS.read_text()
CODE = (
    "\n".join(re.findall(r"```\w*\n(.*?)```", TEXT, flags=re.DOTALL))
    + "\n"
    + "\n".join(re.findall(r"`([^`\n]+)`", TEXT))
)


def unknown_commands(code: str) -> set[str]:
    """`oodinv …` with a command or an option that the program does not have."""
    found = set()
    pattern = r"(?:^|[&;|] ?|bin/)oodinv ((?:[a-z-]+ )*[a-z-]+)((?: [^\n|;&]*)?)"
    for line in re.findall(pattern, code.replace("\\\n", " "), flags=re.MULTILINE):
        command: click.Command = main
        for word in line[0].split():
            if not isinstance(command, click.Group):
                break
            if word not in command.commands:
                found.add(f"oodinv {line[0]}")
                break
            command = command.commands[word]
        options = {name for parameter in command.params for name in parameter.opts}
        found |= {f"{line[0]} {option}" for option in re.findall(r"--[a-z-]+", line[1]) if option not in options}
    return found


def test_every_command_of_ours_exists():
    assert unknown_commands(CODE) == set()


def test_a_command_that_does_not_exist_is_found():
    assert unknown_commands("oodinv dataset polish TARGET") != set()
    assert unknown_commands("oodinv dataset fsck TARGET --slow") != set()
    assert unknown_commands("oodinv dataset fsck TARGET --quick") == set()


def test_every_file_that_is_named_exists():
    named = set(re.findall(r"(?<![\w/.])(?:infra|docs|flows|oodinv)/[\w./-]+\.\w+", TEXT))
    assert len(named) > 5
    assert {name for name in named if not (ROOT / name).exists()} == set()
    links = set(re.findall(r"\]\((?!http|#)([^)#]+)", TEXT))
    assert {link for link in links if not (OPERATIONS.parent / link).exists()} == set()


def test_every_part_of_infra_is_explained():
    parts = {path.name for path in INFRA.iterdir() if path.name != "__pycache__"}
    assert {part for part in parts if f"infra/{part}" not in TEXT} == set()


def test_every_service_that_is_named_is_a_service():
    from infra_files import compose

    services = set(compose()["services"])
    named = set(re.findall(r"docker compose (?:exec|logs|restart|stop|run --rm) (?:--\w+ )*([a-z0-9-]+)", CODE))
    assert named and named <= services
    assert set(re.findall(r"--scale ([a-z0-9-]+)=", CODE)) <= services


def test_every_prefect_command_exists():
    # The command line of Prefect 3.8, as far as it is used here.
    known = {
        "server start", "server database upgrade", "work-pool create", "work-pool pause", "work-pool resume",
        "work-pool inspect", "worker start", "deploy", "deployment run", "deployment schedule", "deployment inspect",
        "deployment ls", "flow-run ls", "flow-run cancel", "flow-run logs", "automation ls", "version",
    }  # fmt: skip
    pattern = r"(?:^|[&;|] ?|bin/|exec [\w-]+ )prefect (?:--no-prompt )?((?:[a-z][a-z-]*)(?: [a-z][a-z-]*){0,2})"
    used = re.findall(pattern, CODE, flags=re.MULTILINE)
    unknown = {words for words in used if not any(f"{words} ".startswith(f"{command} ") for command in known)}
    assert used and unknown == set()


@pytest.mark.parametrize(
    "symptom",
    [
        "RUNNING", "server", "Ray cluster", "AccessDenied", "ExpiredToken", "disk", "SlowDown", "schedule", "orphans",
        "snapshot", "given up",
    ],
)  # fmt: skip
def test_the_table_of_symptoms_has_the_known_ones(symptom):
    table = TEXT.split("## What to do when")[1].split("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")]
    assert len(rows) > 10
    assert any(symptom in row.split("|")[1] for row in rows), symptom
    assert all(row.count(" | ") == 2 for row in rows)
