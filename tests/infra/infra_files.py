"""The files of infra/, read the way the tests need them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
INFRA = ROOT / "infra"
COMPOSE = INFRA / "compose" / "compose.yaml"
KUBERNETES = INFRA / "kubernetes"
BINARY = (".pyc", ".safetensors")
OPERATIONS = ROOT / "docs" / "operations.md"

_PLACEHOLDER = re.compile(r"\{\{ (\w+) \}\}")
_VARIABLE = re.compile(r"\$\{(\w+)(?::([?-])([^}]*))?\}")


def read_yaml(path: Path) -> Any:
    """The only document of a file."""
    return yaml.safe_load(path.read_text())


def variables(text: str) -> set[tuple[str, str]]:
    """Variables of a Compose file: name, and ``?`` (required), ``-`` (has a default) or nothing."""
    return {(name, how) for name, how, _ in _VARIABLE.findall(text)}


def interpolated(text: str, values: dict[str, str]) -> str:
    """A Compose file as Compose reads it: variables replaced, else their defaults."""
    return _VARIABLE.sub(lambda m: values.get(m[1], m[3] if m[2] == "-" else ""), text)


def example_environment() -> dict[str, str]:
    """What .env.example says."""
    return env_file(INFRA / "compose" / ".env.example")


def env_file(path: Path) -> dict[str, str]:
    """Names and values of a file of assignments."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)  # type: ignore[arg-type, misc]


def compose() -> dict[str, Any]:
    """compose.yaml with the values of .env.example."""
    return yaml.safe_load(interpolated(COMPOSE.read_text(), example_environment()))


def manifests() -> list[tuple[str, dict[str, Any]]]:
    """Every Kubernetes object that kustomization.yaml applies, with its file's name."""
    found = []
    for name in read_yaml(KUBERNETES / "kustomization.yaml")["resources"]:
        found += [(name, document) for document in yaml.safe_load_all((KUBERNETES / name).read_text()) if document]
    return found


def of_kind(kind: str) -> list[dict[str, Any]]:
    """Manifests of one kind."""
    return [document for _, document in manifests() if document["kind"] == kind]


def job_template() -> dict[str, Any]:
    """The work pool's base job template."""
    return json.loads((KUBERNETES / "base-job-template.json").read_text())


def placeholders(value: Any) -> set[str]:
    """Names in double braces anywhere in a template."""
    return set(_PLACEHOLDER.findall(json.dumps(value)))


def flow_job() -> dict[str, Any]:
    """The job of a flow run, as the Prefect worker makes it from the template's defaults.

    Two fields that Prefect wants in the pod, and that Kubernetes does not know there, are taken out.
    """
    template = job_template()
    defaults = {name: field.get("default") for name, field in template["variables"]["properties"].items()}
    defaults |= {"name": "run", "command": ["prefect", "flow-run", "execute"], "env": {}, "labels": {}}
    defaults |= {"annotations": {}}
    job = _filled(template["job_configuration"]["job_manifest"], defaults)
    for field in ("parallelism", "completions"):
        del job["spec"]["template"]["spec"][field]
    return job


def _filled(value: Any, values: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        return {name: _filled(item, values) for name, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, values) for item in value]
    if isinstance(value, str):
        whole = _PLACEHOLDER.fullmatch(value)
        if whole:
            return values[whole[1]]
        return _PLACEHOLDER.sub(lambda m: str(values[m[1]]), value)
    return value


def ray_groups() -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and group spec of the head and of every worker group."""
    [cluster] = of_kind("RayCluster")
    yield "ray head", cluster["spec"]["headGroupSpec"]
    for group in cluster["spec"]["workerGroupSpecs"]:
        yield f"ray {group['groupName']}", group


def pod_templates() -> dict[str, dict[str, Any]]:
    """Every pod template of ours, by a name for messages: metadata and spec. Those of the Helm charts are not ours."""
    found = {name: group["template"] for name, group in ray_groups()}
    for kind in ("StatefulSet", "Deployment"):
        found |= {document["metadata"]["name"]: document["spec"]["template"] for document in of_kind(kind)}
    found["flow run"] = flow_job()["spec"]["template"]
    return found


def containers() -> list[tuple[str, dict[str, Any]]]:
    """Every container of every pod template."""
    return [
        (f"{name}/{container['name']}", container)
        for name, template in pod_templates().items()
        for container in [*template["spec"].get("initContainers", []), *template["spec"]["containers"]]
    ]


def helm_values(chart: str) -> dict[str, Any]:
    """What we give to a chart: ``server`` or ``worker``."""
    return read_yaml(KUBERNETES / f"prefect-{chart}-values.yaml")


def created_secrets() -> dict[str, set[str]]:
    """Secrets that docs/operations.md creates, with their keys."""
    found: dict[str, set[str]] = {}
    text = OPERATIONS.read_text().replace("\\\n", " ")
    for name, rest in re.findall(r"kubectl create secret generic ([\w-]+)(.*)", text):
        found[name] = set(re.findall(r"--from-literal=([\w-]+)=", rest))
    return found


def values_under(value: Any, name: str) -> list[Any]:
    """Everything that stands under a field of this name, at any depth."""
    found = []
    if isinstance(value, dict):
        for key, item in value.items():
            if key == name:
                found.append(item)
            found += values_under(item, name)
    elif isinstance(value, list):
        for item in value:
            found += values_under(item, name)
    return found
