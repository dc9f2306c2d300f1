import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest
from infra_files import INFRA, ROOT, of_kind
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

DOCKERFILE = (INFRA / "Dockerfile").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
_SECRET_NAME = re.compile(r"PASSWORD|TOKEN|SECRET|CREDENTIAL|AUTH|_KEY\b")


def hadolint(text: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    path = folder / "Dockerfile"
    path.write_text(text)
    command = [str(Path(sys.executable).with_name("hadolint")), "--no-color", str(path)]
    return subprocess.run(command, capture_output=True, text=True)


def instructions(text: str) -> list[tuple[str, str]]:
    """Name and rest of every instruction, continued lines joined, comments left out."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [tuple(line.split(None, 1)) for line in joined.splitlines() if line.strip()]  # type: ignore[misc]


def stages(text: str) -> dict[str, list[tuple[str, str]]]:
    """Instructions of every stage, with those of the stage it is built from before its own."""
    found: dict[str, list[tuple[str, str]]] = {}
    current: list[tuple[str, str]] = []
    for name, rest in instructions(text):
        if name == "FROM":
            parent, _, stage = rest.partition(" AS ")
            current = found[stage] = list(found.get(parent, []))
        current.append((name, rest))
    return found


def users(text: str) -> dict[str, str]:
    """The user that the program of each stage that ends in a program runs as."""
    found = {}
    for stage, lines in stages(text).items():
        if any(name == "CMD" for name, _ in lines):
            found[stage] = [rest for name, rest in [("USER", "root"), *lines] if name == "USER"][-1]
    return found


def locked(name: str) -> dict[str, str]:
    lines = [line for line in (INFRA / "requirements" / name).read_text().splitlines() if not line.startswith("#")]
    pairs = [line.split("==") for line in lines]
    assert all(len(pair) == 2 for pair in pairs)
    return {canonicalize_name(package): version for package, version in pairs}


def unsatisfied(requirements: list[str], versions: dict[str, str]) -> list[str]:
    found = []
    for requirement in map(Requirement, requirements):
        version = versions.get(canonicalize_name(requirement.name))
        if version is None or not requirement.specifier.contains(version):
            found.append(f"{requirement} has {version}")
    return found


def allowed(path: str, ignore: str) -> bool:
    """Whether a file gets into the build, by the rules of .dockerignore that are used here. The last match counts."""
    verdict = True
    for rule in [line.strip() for line in ignore.splitlines() if line.strip() and not line.startswith("#")]:
        pattern = rule.removeprefix("!").removeprefix("**/")
        parts = path.split("/")
        prefixes = ["/".join(parts[: end + 1]) for end in range(len(parts))]
        names = parts if rule.removeprefix("!").startswith("**/") else []
        if any(fnmatch(candidate, pattern) for candidate in [*prefixes, *names]):
            verdict = rule.startswith("!")
    return verdict


def test_hadolint_finds_nothing(tmp_path):
    result = hadolint(DOCKERFILE, tmp_path)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("    && rm -rf /var/lib/apt/lists/* \\\n", ""),
        ("USER 10001:10001\nWORKDIR /app", "USER root\nWORKDIR /app"),
        ("FROM base AS runtime", "FROM debian AS runtime"),
    ],
)
def test_hadolint_finds_a_mistake(tmp_path, good, bad):
    broken = DOCKERFILE.replace(good, bad)
    assert broken != DOCKERFILE
    assert hadolint(broken, tmp_path).returncode != 0


def test_every_rule_that_is_left_out_has_its_reason_above():
    lines = DOCKERFILE.splitlines()
    ignored = [number for number, line in enumerate(lines) if line.startswith("# hadolint ignore=")]
    assert ignored
    for number in ignored:
        above = lines[number - 1]
        assert above.startswith("# ") and len(above) > 40, lines[number]


def test_every_image_runs_as_a_fixed_user_without_rights():
    assert users(DOCKERFILE) == {"kubernetes-worker": "10001:10001", "runtime": "10001:10001"}


def test_a_stage_without_a_user_would_run_as_root():
    assert users(DOCKERFILE.replace("USER 10001:10001\n", ""))["runtime"] == "root"


def test_the_default_image_is_the_one_of_the_project():
    assert list(stages(DOCKERFILE))[-1] == "runtime"


def test_every_image_has_an_init_and_labels():
    for stage in ("runtime", "kubernetes-worker"):
        lines = stages(DOCKERFILE)[stage]
        assert ("ENTRYPOINT", '["tini", "--"]') in lines
        labels = " ".join(rest for name, rest in lines if name == "LABEL")
        assert "org.opencontainers.image.version" in labels and "org.opencontainers.image.licenses" in labels


def test_nothing_secret_is_an_argument_or_a_variable_of_the_build():
    names = re.findall(r"(\w+)=", " ".join(rest for name, rest in instructions(DOCKERFILE) if name in ("ARG", "ENV")))
    assert "TORCH_SPEC" in names
    assert [name for name in names if _SECRET_NAME.search(name)] == []


def test_the_base_image_and_torch_are_pinned():
    arguments = dict(rest.split("=", 1) for name, rest in instructions(DOCKERFILE) if name == "ARG" and "=" in rest)
    assert re.fullmatch(r"python:3\.11\.\d+-slim-\w+", arguments["PYTHON_IMAGE"])
    torch = Requirement(arguments["TORCH_SPEC"])
    [wanted] = [r for r in map(Requirement, PROJECT["project"]["dependencies"]) if r.name == "torch"]
    assert wanted.specifier.contains(str(torch.specifier).removeprefix("=="))


def test_what_the_build_copies_is_let_in():
    ignore = (ROOT / ".dockerignore").read_text()
    sources = [
        source
        for name, rest in instructions(DOCKERFILE)
        if name == "COPY" and "--from" not in rest
        for source in rest.split()[:-1]
    ]
    assert "pyproject.toml" in sources and "oodinv" in sources
    for source in sources:
        assert (ROOT / source).exists(), source
        files = [source] if (ROOT / source).is_file() else [f"{source}/__init__.py"]
        assert all(allowed(file, ignore) for file in files), source


@pytest.mark.parametrize(
    "path", [".env", "infra/compose/.env", "oodinv/.env", ".git/config", "out/demo/x.png", ".venv/bin/python", "id_rsa"]
)
def test_everything_else_stays_outside(path):
    ignore = (ROOT / ".dockerignore").read_text()
    assert not allowed(path, ignore)
    assert allowed(path, "!" + path)


def test_the_image_has_the_versions_that_the_project_allows():
    wanted = [text for text in PROJECT["project"]["dependencies"] if Requirement(text).name != "torch"]
    assert unsatisfied(wanted, locked("runtime.txt")) == []
    assert unsatisfied(["fastapi<0.1"], locked("runtime.txt")) != []


def test_the_image_has_the_parts_of_ray_that_answer_health_checks():
    # `ray` alone has neither dashboard agent nor the autoscaler that KubeRay starts from the image.
    assert {"aiohttp", "grpcio", "prometheus-client", "opencensus"} <= set(locked("runtime.txt"))


def test_the_kubernetes_worker_has_the_same_prefect_and_no_torch():
    worker, runtime = locked("kubernetes-worker.txt"), locked("runtime.txt")
    assert {name: worker[name] for name in ("prefect", "fastapi", "sqlalchemy")} == {
        name: runtime[name] for name in ("prefect", "fastapi", "sqlalchemy")
    }
    assert "prefect-kubernetes" in worker and "prefect-kubernetes" not in runtime
    assert not {"torch", "ray", "oodinv"} & set(worker)


def test_the_ray_cluster_is_of_the_version_in_the_image():
    [cluster] = of_kind("RayCluster")
    assert cluster["spec"]["rayVersion"] == locked("runtime.txt")["ray"]


def test_an_installed_package_has_all_its_files():
    # An image installs the package; in a checkout the files are found without being listed.
    listed = PROJECT["tool"]["setuptools"]["package-data"]
    missing = []
    for package in ("oodinv", "flows", "tasks"):
        for path in sorted((ROOT / package).rglob("*")):
            if path.is_dir() or path.suffix == ".py" or path.parent.name == "__pycache__":
                continue
            name = path.relative_to(ROOT / package).as_posix()
            if not any(Path(name).match(pattern) for pattern in listed.get(package, [])):
                missing.append(f"{package}/{name}")
    assert missing == []
