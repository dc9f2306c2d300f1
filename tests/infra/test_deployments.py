import ast
import copy
import re
from typing import Any

import pytest
from infra_files import INFRA, KUBERNETES, ROOT, compose, env_file, helm_values, read_yaml

from flows.maintain_request import MaintainRequest
from flows.request import AugmentRequest

FILES = {"process": ROOT / "prefect.yaml", "kubernetes": KUBERNETES / "prefect.yaml"}
REQUESTS = {"flows.augment.augment": AugmentRequest, "flows.maintain.maintain": MaintainRequest}
GIVEN = {"OODINV_SOURCE": "s3://photos/faces", "OODINV_TARGET": "s3://datasets/faces", "OODINV_IMAGE": "oodinv:0.1.0"}
_FROM_ENVIRONMENT = re.compile(r"\{\{ \$(\w+) \}\}")


def deployments(kind: str) -> dict[str, dict[str, Any]]:
    return {deployment["name"]: deployment for deployment in read_yaml(FILES[kind])["deployments"]}


def filled(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: filled(item) for name, item in value.items()}
    if isinstance(value, list):
        return [filled(item) for item in value]
    return _FROM_ENVIRONMENT.sub(lambda m: GIVEN[m[1]], value) if isinstance(value, str) else value


def request_of(deployment: dict[str, Any]) -> Any:
    return REQUESTS[deployment["entrypoint"]](**filled(deployment["parameters"]["request"]))


ALL = [(kind, name) for kind in FILES for name in deployments(kind)]


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_a_deployment_asks_for_what_its_flow_takes(kind, name):
    assert request_of(deployments(kind)[name]).target == GIVEN["OODINV_TARGET"]


def test_a_misspelt_parameter_is_found():
    deployment = copy.deepcopy(deployments("kubernetes")["augment-nightly"])
    deployment["parameters"]["request"]["edit"] = ["smile=+1"]
    with pytest.raises(ValueError, match="edit"):
        request_of(deployment)


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_a_deployment_starts_a_flow_that_exists(kind, name):
    module, _, function = deployments(kind)[name]["entrypoint"].rpartition(".")
    tree = ast.parse((ROOT / module.replace(".", "/")).with_suffix(".py").read_text())
    [found] = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == function]
    assert any("flow" in ast.dump(decorator) for decorator in found.decorator_list)


def test_both_kinds_of_work_pool_have_the_same_deployments():
    process, pods = deployments("process"), deployments("kubernetes")
    assert list(process) == list(pods) == ["augment-nightly", "augment-on-demand", "maintain-weekly"]
    for name in process:
        for field in ("entrypoint", "schedules", "tags", "concurrency_limit", "description"):
            assert process[name][field] == pods[name][field], (name, field)


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_a_deployment_runs_once_at_a_time(kind, name):
    assert deployments(kind)[name]["concurrency_limit"]["limit"] == 1


def test_pools_are_the_ones_that_workers_poll():
    assert {d["work_pool"]["name"] for d in deployments("process").values()} == {"oodinv"}
    worker = compose()["services"]["prefect-worker"]["command"]
    assert worker[worker.index("--pool") + 1] == "oodinv"
    unit = (INFRA / "systemd" / "oodinv-prefect-worker.service").read_text()
    assert "--pool oodinv " in unit
    pool = helm_values("worker")["worker"]["config"]["workPool"]
    assert {d["work_pool"]["name"] for d in deployments("kubernetes").values()} == {pool}
    assert f'"{pool}"' in (INFRA / "Dockerfile").read_text()


def test_a_pod_is_given_no_secret_and_an_image():
    for deployment in deployments("kubernetes").values():
        variables = deployment["work_pool"]["job_variables"]
        assert variables["image"] == "{{ $OODINV_IMAGE }}"
        assert set(variables["env"]) <= {"PREFECT_LOGGING_LEVEL"}


def test_a_cluster_that_grows_from_nothing_is_told_how_many_actors():
    for name in ("augment-nightly", "augment-on-demand"):
        assert request_of(deployments("kubernetes")[name]).workers


def test_places_come_from_the_environment_that_the_guide_sets():
    used = {name for path in FILES.values() for name in _FROM_ENVIRONMENT.findall(path.read_text())} - {"PWD"}
    assert used == set(GIVEN)
    guide = (ROOT / "docs" / "operations.md").read_text()
    assert all(f"{name}=" in guide for name in used)
    assert {"OODINV_SOURCE", "OODINV_TARGET"} <= set(env_file(INFRA / "compose" / ".env.example"))


def test_code_in_the_image_is_looked_for_where_it_is():
    [step] = read_yaml(FILES["kubernetes"])["pull"]
    assert step["prefect.deployments.steps.set_working_directory"]["directory"] == "/app"
    assert "WORKDIR /app\n" in (INFRA / "Dockerfile").read_text()
