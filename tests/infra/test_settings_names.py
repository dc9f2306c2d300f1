import importlib.util
import inspect
import re
from pathlib import Path

import pytest
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES
from infra_files import BINARY, INFRA, OPERATIONS, ROOT
from prefect.settings import Settings
from prefect.settings.base import PrefectBaseSettings
from pydantic import AliasChoices

FILES = sorted(
    path
    for path in [*INFRA.rglob("*"), OPERATIONS, ROOT / "prefect.yaml"]
    if path.is_file() and path.suffix not in (".txt", *BINARY)
)
_NAME = re.compile(r"(?<![\w$])(?:PREFECT|RAY|AWS|OODINV)_[A-Z0-9_]+\b")

# Read by the Prefect CLI and worker, not settings.
PREFECT_OTHERS = {"PREFECT_HOME"}
# Read by Ray's native part, or by our own code from there.
RAY = {"RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_USAGE_STATS_ENABLED"}
# Of the two chains that boto3 asks: credentials and settings.
AWS = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION", "AWS_PROFILE"}
AWS |= {"AWS_ENDPOINT_URL_S3"}
OURS = {"OODINV_SOURCE", "OODINV_TARGET", "OODINV_IMAGE", "OODINV_CACHE"}


def prefect_settings(group: type[PrefectBaseSettings] = Settings) -> set[str]:
    """Names of the environment variables that the installed Prefect reads."""
    names = set()
    for field_name, field in group.model_fields.items():
        if inspect.isclass(field.annotation) and issubclass(field.annotation, PrefectBaseSettings):
            names |= prefect_settings(field.annotation)
        elif isinstance(field.validation_alias, AliasChoices):
            names |= {alias.upper() for alias in field.validation_alias.choices if isinstance(alias, str)}
        else:
            names.add(f"{group.model_config.get('env_prefix')}{field_name.upper()}")
    return names


def unknown(text: str) -> set[str]:
    found = set(_NAME.findall(text))
    # The one variable of ours that is not a program's: Compose puts it into two settings of Prefect.
    found -= {"PREFECT_AUTH_STRING", "RAY_WORKER_CPUS", "RAY_WORKER_MEMORY", "RAY_WORKER_GPUS"}
    known = prefect_settings() | PREFECT_OTHERS | RAY | AWS | OURS
    return found - known


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_variable_is_spelt_as_its_reader_spells_it(path):
    assert unknown(path.read_text()) == set()


def test_a_misspelt_variable_is_found():
    assert unknown("PREFECT_SERVER_API_AUTHSTRING=x") == {"PREFECT_SERVER_API_AUTHSTRING"}
    assert unknown("RAY_TOKEN=x") == {"RAY_TOKEN"}
    assert unknown("PREFECT_API_AUTH_STRING=x") == set()


def test_what_is_said_of_ray_and_aws_is_true():
    package = Path(importlib.util.find_spec("ray").origin).parent
    python = "".join(path.read_text() for path in (package / "_common" / "usage").glob("*.py"))
    python += (package / "_private" / "ray_constants.py").read_text()
    native = (package / "_raylet.so").read_bytes()
    for name in RAY:
        assert name in python or name.encode() in native or name.removeprefix("RAY_").encode() in native, name
    known = {name for value in BOTOCORE_DEFAUT_SESSION_VARIABLES.values() for name in as_list(value[1])}
    assert {"AWS_DEFAULT_REGION", "AWS_PROFILE"} <= known


def as_list(value):
    return value if isinstance(value, list) else [value]


def test_our_own_variables_are_read_by_something():
    code = "".join(path.read_text() for folder in ("oodinv", "flows") for path in (ROOT / folder).rglob("*.py"))
    deployments = (ROOT / "prefect.yaml").read_text() + (INFRA / "kubernetes" / "prefect.yaml").read_text()
    text = "".join(path.read_text() for path in FILES)
    for name in set(re.findall(r"OODINV_\w+", text)):
        assert name in code or f"${name}" in deployments, name
