import json
import re
import subprocess
import sys
from typing import Any

import pytest
import yaml
from infra_files import COMPOSE, INFRA, ROOT, compose, env_file, example_environment, interpolated, variables

GPU = INFRA / "compose" / "compose.gpu.yaml"
SERVICES: dict[str, dict[str, Any]] = compose()["services"]
ONCE = {"s3-buckets", "deployments"}
_HOST_AND_PORT = re.compile(r"(?:^|//|=)([a-z][a-z0-9-]*):(\d+)")


def schema_check(text: str, folder) -> "subprocess.CompletedProcess[str]":
    path = folder / "compose.yaml"
    path.write_text(text)
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(path)]
    return subprocess.run(command, capture_output=True, text=True)


def listening() -> dict[str, set[int]]:
    """Ports that the program of each service opens for others."""
    ports: dict[str, set[int]] = {"postgres": {5432}}
    for name, service in SERVICES.items():
        words = [*map(str, service.get("command", [])), *map(str, service.get("environment", {}).values())]
        ports.setdefault(name, set()).update(
            int(number) for word in words for number in re.findall(r"^-+(?:s3\.)?port=(\d+)$", word)
        )
    ports["prefect-server"].add(int(SERVICES["prefect-server"]["environment"]["PREFECT_SERVER_API_PORT"]))
    return ports


def addresses(service: dict[str, Any]) -> set[tuple[str, int]]:
    """Other containers that a service is told to talk to: host names without a dot, so neither IPs nor the world."""
    words = [*map(str, service.get("command", [])), *map(str, service.get("environment", {}).values())]
    found = {(host, int(port)) for word in words for host, port in _HOST_AND_PORT.findall(word)}
    environment = service.get("environment", {})
    if "PREFECT_SERVER_DATABASE_HOST" in environment:
        found.add((environment["PREFECT_SERVER_DATABASE_HOST"], int(environment["PREFECT_SERVER_DATABASE_PORT"])))
    return {(host, port) for host, port in found if host != "admin"}


@pytest.mark.parametrize("path", [COMPOSE, GPU], ids=["compose", "gpu"])
def test_compose_files_fit_the_specification(tmp_path, path):
    result = schema_check(interpolated(path.read_text(), example_environment()), tmp_path)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("  pull_policy: never", "  pull_policy: sometimes"),
        ("  pull_policy: never", "  pull_polcy: never"),
        ("condition: service_healthy", "condition: service_happy"),
        ("internal: true", "internal: [1]"),
        ('ports: ["127.0.0.1:4200:4200"]', "ports: 4200"),
    ],
)
def test_a_compose_file_with_a_mistake_does_not(tmp_path, good, bad):
    text = COMPOSE.read_text()
    broken = text.replace(good, bad)
    assert broken != text
    assert schema_check(broken, tmp_path).returncode != 0


def test_what_a_service_needs_exists():
    document = compose()
    for name, service in SERVICES.items():
        assert set(service.get("depends_on", {})) <= set(SERVICES), name
        assert set(service.get("networks", [])) <= set(document["networks"]), name
        assert {config["source"] for config in service.get("configs", [])} <= set(document["configs"]), name
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in document["volumes"] or (COMPOSE.parent / source).is_file(), (name, volume)


def test_a_service_waits_for_what_can_come_true():
    for name, service in SERVICES.items():
        for other, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[other], (name, other)
            else:
                assert how["condition"] == "service_completed_successfully"
                assert SERVICES[other]["restart"] == "no", (name, other)


def test_a_service_that_ends_is_waited_for_by_one_that_stays():
    # `up --wait` takes the end of any other service for a failure.
    adopted = {
        other
        for name, service in SERVICES.items()
        if name not in ONCE
        for other, how in service.get("depends_on", {}).items()
        if how["condition"] == "service_completed_successfully"
    }
    assert adopted == ONCE == {name for name, service in SERVICES.items() if service["restart"] == "no"}


def test_services_talk_to_ports_that_others_open():
    ports = listening()
    asked = {address for service in SERVICES.values() for address in addresses(service)}
    assert {("prefect-server", 4200), ("s3", 8333), ("ray-head", 6379), ("postgres", 5432)} <= asked
    for host, port in asked:
        assert port in ports.get(host, set()), f"{host}:{port}"


def test_services_that_talk_share_a_network():
    for name, service in SERVICES.items():
        for host, _ in addresses(service):
            assert set(service["networks"]) & set(SERVICES[host]["networks"]), (name, host)


def test_every_variable_is_in_the_example_and_the_other_way_round():
    used = {name for path in (COMPOSE, GPU) for name, _ in variables(path.read_text())}
    assert used == set(example_environment())


def test_a_missing_secret_stops_the_start():
    for name, how in variables(COMPOSE.read_text()):
        assert how in ("?", "-"), name
        if re.search("PASSWORD|TOKEN|AUTH|_KEY", name):
            assert how == "?", f"{name} must not have a default"


def test_published_ports_are_of_this_machine_only():
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(published) == 2
    assert all(str(port).startswith("127.0.0.1:") for port in published), published
    assert all(service.get("network_mode") != "host" for service in SERVICES.values())


def test_what_publishes_no_port_has_no_way_out():
    document = compose()
    assert document["networks"]["inside"]["internal"] is True
    for name, service in SERVICES.items():
        assert service["networks"] == (["inside", "published"] if service.get("ports") else ["inside"]), name


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_container_has_no_rights_it_does_not_need(name):
    service = SERVICES[name]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"])
    assert service["cap_drop"] == ["ALL"] and not service.get("cap_add")
    assert "no-new-privileges:true" in service["security_opt"]
    assert not service.get("privileged")
    assert not any("docker.sock" in str(volume) for volume in service.get("volumes", []))


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_container_has_limits_and_an_end(name):
    limits = SERVICES[name]["deploy"]["resources"]["limits"]
    assert float(limits["cpus"]) > 0 and re.fullmatch(r"\d+[mg]", limits["memory"])
    assert SERVICES[name]["restart"] == ("no" if name in ONCE else "unless-stopped")


@pytest.mark.parametrize("name", sorted(set(SERVICES) - ONCE))
def test_a_container_that_stays_has_a_health_check(name):
    check = SERVICES[name]["healthcheck"]
    assert check["test"][0] == "CMD" and len(check["test"]) > 1
    assert {"interval", "timeout", "retries", "start_period"} <= set(check)


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_an_image_is_pinned_or_built_here(name):
    image = SERVICES[name]["image"]
    assert re.search(r":\d", image), image
    if image.startswith("oodinv"):
        assert SERVICES[name]["pull_policy"] == "never"


def test_the_health_checks_in_python_are_python():
    for name, service in SERVICES.items():
        test = service.get("healthcheck", {}).get("test", [])
        if test[1:2] == ["python"]:
            compile(test[3], name, "exec")


def test_a_read_only_container_is_given_no_file_that_compose_makes():
    # Compose copies such files into the container, which it cannot when the root is read-only.
    document = compose()
    made = {
        name
        for section in ("configs", "secrets")
        for name, value in document.get(section, {}).items()
        if "content" in value or "environment" in value
    }
    assert made == {"identities"}
    for name, service in SERVICES.items():
        given = {entry if isinstance(entry, str) else entry["source"] for entry in service.get("configs", [])}
        given |= set(service.get("secrets", []))
        assert not (service.get("read_only") and given & made), name


def test_every_member_of_the_ray_cluster_has_the_token():
    members = ("ray-head", "ray-worker", "prefect-worker")
    tokens = {SERVICES[name]["environment"]["RAY_AUTH_TOKEN"] for name in members}
    assert tokens == {example_environment()["RAY_AUTH_TOKEN"]}
    assert all(SERVICES[name]["environment"]["RAY_AUTH_MODE"] == "token" for name in members)
    assert SERVICES["prefect-worker"]["environment"]["RAY_ADDRESS"] == "ray-head:6379"


def test_a_flow_run_and_its_actors_reach_the_same_store_with_the_pipelines_key():
    example = example_environment()
    for name in ("ray-worker", "prefect-worker"):
        environment = SERVICES[name]["environment"]
        assert environment["AWS_ENDPOINT_URL_S3"] == "http://s3:8333"
        assert environment["AWS_ACCESS_KEY_ID"] == example["S3_PIPELINE_ACCESS_KEY"]


def test_the_pipeline_may_read_photos_and_write_datasets_only():
    identities = json.loads(compose()["configs"]["identities"]["content"])["identities"]
    [pipeline] = [identity for identity in identities if identity["name"] == "pipeline"]
    assert "Admin" not in pipeline["actions"]
    assert sorted(pipeline["actions"]) == [
        "List:datasets", "List:photos", "Read:datasets", "Read:photos", "Write:datasets",
    ]  # fmt: skip
    buckets = set(SERVICES["s3-buckets"]["command"][2:])
    assert {action.partition(":")[2] for action in pipeline["actions"]} == buckets
    example = example_environment()
    for place in (example["OODINV_SOURCE"], example["OODINV_TARGET"]):
        assert place.split("/")[2] in buckets


def test_nothing_reports_home():
    assert "-master.telemetry=false" in SERVICES["s3"]["command"]
    dockerfile = (INFRA / "Dockerfile").read_text()
    for setting in ("DO_NOT_TRACK=1", "PREFECT_SERVER_ANALYTICS_ENABLED=false", "RAY_USAGE_STATS_ENABLED=0"):
        assert setting in dockerfile


def test_the_gpu_file_changes_services_that_exist():
    added = yaml.safe_load(interpolated(GPU.read_text(), example_environment()))["services"]
    assert set(added) <= set(SERVICES)
    # A list replaces the list it overrides: nothing of the CPU worker's command may get lost.
    assert set(SERVICES["ray-worker"]["command"]) <= set(added["ray-worker"]["command"])


def test_the_image_is_built_from_this_repository():
    build = SERVICES["prefect-server"]["build"]
    assert (COMPOSE.parent / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]).is_file()
    assert f"AS {build['target']}\n" in (ROOT / build["dockerfile"]).read_text()


def test_the_file_with_the_secrets_is_never_committed():
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert ".env" in ignored


def test_the_example_is_read_as_names_and_values(tmp_path):
    (tmp_path / "x").write_text("# comment\n\nNAME=a=b\n")
    assert env_file(tmp_path / "x") == {"NAME": "a=b"}
