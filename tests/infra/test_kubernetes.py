import copy
import re
from typing import Any

import pytest
import yaml
from infra_files import (
    KUBERNETES,
    containers,
    created_secrets,
    flow_job,
    helm_values,
    job_template,
    manifests,
    of_kind,
    placeholders,
    pod_templates,
    ray_groups,
    read_yaml,
    values_under,
)
from kubernetes_validate import ValidationError, validate

VERSIONS = ("1.30", "1.37")
CORE = [(name, document) for name, document in manifests() if not document["apiVersion"].startswith("ray.io/")]

# Field names of ray.io/v1 RayCluster: KubeRay 1.7, ray-operator/config/crd/bases/ray.io_rayclusters.yaml.
RAY_FIELDS = {
    "": {
        "authOptions", "autoscalerOptions", "enableInTreeAutoscaling", "gcsFaultToleranceOptions", "headGroupSpec",
        "headServiceAnnotations", "historyServerOptions", "managedBy", "networkPolicy", "rayVersion", "suspend",
        "tlsOptions", "upgradeStrategy", "workerGroupSpecs",
    },
    "authOptions": {"enableK8sTokenAuth", "mode", "secretName"},
    "autoscalerOptions": {
        "args", "command", "env", "envFrom", "idleTimeoutSeconds", "image", "imagePullPolicy", "resources",
        "securityContext", "upscalingMode", "version", "volumeMounts",
    },
    "headGroupSpec": {
        "enableIngress", "headService", "ingressOptions", "labels", "rayStartParams", "resources", "serviceType",
        "template",
    },
    "workerGroupSpecs": {
        "groupName", "idleTimeoutSeconds", "labels", "maxReplicas", "minReplicas", "numOfHosts", "priority",
        "rayStartParams", "replicas", "resources", "scaleStrategy", "suspend", "template",
    },
}  # fmt: skip
WORKER_GROUP_NEEDS = {"groupName", "minReplicas", "maxReplicas", "template"}


def unknown_ray_fields(spec: dict[str, Any]) -> list[str]:
    found = [name for name in spec if name not in RAY_FIELDS[""]]
    for section in ("authOptions", "autoscalerOptions", "headGroupSpec"):
        found += [f"{section}.{name}" for name in spec.get(section, {}) if name not in RAY_FIELDS[section]]
    for group in spec.get("workerGroupSpecs", []):
        found += [f"workerGroupSpecs.{name}" for name in group if name not in RAY_FIELDS["workerGroupSpecs"]]
        found += [f"workerGroupSpecs without {name}" for name in WORKER_GROUP_NEEDS - set(group)]
    return found


def as_pod_template(template: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "x"}, "template": template}


def ray_cluster() -> dict[str, Any]:
    [cluster] = of_kind("RayCluster")
    return cluster


def without_rights(template: dict[str, Any]) -> list[str]:
    """What Kubernetes' restricted profile, a read-only root and limits ask for, and this pod lacks."""
    lacking, pod = [], template["spec"].get("securityContext", {})
    if pod.get("runAsNonRoot") is not True or not pod.get("runAsUser"):
        lacking.append("a user without rights")
    if pod.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        lacking.append("a seccomp profile")
    for container in [*template["spec"].get("initContainers", []), *template["spec"]["containers"]]:
        context = container.get("securityContext", {})
        expected = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True}
        if any(context.get(name) is not value for name, value in expected.items()):
            lacking.append("a locked container")
        if context.get("capabilities") != {"drop": ["ALL"]}:
            lacking.append("capabilities dropped")
        for bound in ("requests", "limits"):
            if not {"cpu", "memory"} <= set(container.get("resources", {}).get(bound, {})):
                lacking.append(f"{bound} of cpu and memory")
    return lacking


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("name", "document"), CORE, ids=lambda value: value if isinstance(value, str) else "")
def test_a_manifest_fits_its_schema(name, document, version):
    validate(document, version, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("pod", sorted(pod_templates()))
def test_a_pod_template_fits_its_schema(pod, version):
    validate(as_pod_template(pod_templates()[pod]), version, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_job_of_a_flow_run_fits_its_schema(version):
    validate(flow_job(), version, strict=True)


@pytest.mark.parametrize("kind", sorted({document["kind"] for _, document in CORE} - {"ConfigMap"}))
def test_a_manifest_with_a_misspelt_field_does_not(kind):
    document = copy.deepcopy(of_kind(kind)[0])
    document["metdata"] = document.pop("metadata")
    with pytest.raises(ValidationError):
        validate(document, VERSIONS[-1], strict=True)


def test_a_pod_template_with_a_misspelt_field_does_not():
    template = copy.deepcopy(pod_templates()["flow run"])
    template["spec"]["containers"][0]["resorces"] = {}
    with pytest.raises(ValidationError):
        validate(as_pod_template(template), VERSIONS[-1], strict=True)


def test_the_ray_cluster_has_only_fields_that_kuberay_knows():
    assert ray_cluster()["apiVersion"] == "ray.io/v1"
    assert unknown_ray_fields(ray_cluster()["spec"]) == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda spec: spec.update(enableAutoscaling=True),
        lambda spec: spec["authOptions"].update(mod="token"),
        lambda spec: spec["workerGroupSpecs"][0].pop("maxReplicas"),
        lambda spec: spec["workerGroupSpecs"][1].update(min=1),
    ],
)
def test_a_ray_cluster_with_a_misspelt_field_is_found(spoil):
    spec = copy.deepcopy(ray_cluster()["spec"])
    spoil(spec)
    assert unknown_ray_fields(spec) != []


def test_every_file_is_applied_or_used():
    kustomization = read_yaml(KUBERNETES / "kustomization.yaml")
    generated = {file.split("=")[1] for entry in kustomization["configMapGenerator"] for file in entry["files"]}
    apart = {"kustomization.yaml", "prefect.yaml", "prefect-server-values.yaml", "prefect-worker-values.yaml"}
    files = {path.name for path in KUBERNETES.iterdir() if path.is_file()}
    assert files == set(kustomization["resources"]) | generated | apart


def test_every_pod_has_an_account_that_exists():
    accounts = {account["metadata"]["name"] for account in of_kind("ServiceAccount")}
    used = {template["spec"]["serviceAccountName"] for template in pod_templates().values()}
    used |= {helm_values(chart)["serviceAccount"]["name"] for chart in ("server", "worker")}
    assert used == accounts
    assert all(helm_values(chart)["serviceAccount"]["create"] is False for chart in ("server", "worker"))


def test_only_the_ray_head_and_the_prefect_worker_can_talk_to_kubernetes():
    can = {
        account["metadata"]["name"]
        for account in of_kind("ServiceAccount")
        if account.get("automountServiceAccountToken") is not False
    }
    assert can == {"oodinv-ray-head", "oodinv-prefect-worker"}
    for name, template in pod_templates().items():
        if template["spec"]["serviceAccountName"] not in can:
            assert template["spec"].get("automountServiceAccountToken") is False, name


def test_only_pods_that_touch_photos_have_the_storage_role():
    lent = {
        account["metadata"]["name"]
        for account in of_kind("ServiceAccount")
        if "eks.amazonaws.com/role-arn" in account["metadata"].get("annotations", {})
    }
    assert lent == {"oodinv-flow", "oodinv-ray-worker"}
    for name, template in pod_templates().items():
        client = template["metadata"]["labels"].get("oodinv/storage") == "client"
        assert client == (template["spec"]["serviceAccountName"] in lent), name


def test_the_prefect_worker_may_start_jobs_and_nothing_else():
    [role] = of_kind("Role")
    [binding] = of_kind("RoleBinding")
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert [subject["name"] for subject in binding["subjects"]] == [helm_values("worker")["serviceAccount"]["name"]]
    for rule in role["rules"]:
        assert "*" not in rule["verbs"] + rule["resources"] + rule["apiGroups"]
        assert "secrets" not in rule["resources"]
        if rule["resources"] != ["jobs"]:
            assert set(rule["verbs"]) <= {"get", "list", "watch"}


def test_every_secret_that_is_used_is_created_by_the_guide():
    wanted: dict[str, set[str]] = {}
    sources = [document for _, document in manifests()] + [flow_job()]
    for reference in values_under(sources, "secretKeyRef"):
        wanted.setdefault(reference["name"], set()).add(reference["key"])
    wanted.setdefault(ray_cluster()["spec"]["authOptions"]["secretName"], set()).add("auth_token")
    for chart, path in (("server", ("server",)), ("worker", ("worker", "selfHostedServerApiConfig"))):
        values = helm_values(chart)
        for part in path:
            values = values[part]
        wanted.setdefault(values["basicAuth"]["existingSecret"], set()).add("auth-string")
    database = helm_values("server")["externalDatabase"]
    wanted.setdefault(database["existingSecret"], set()).add(database["passwordSecretKey"])
    created = created_secrets()
    assert wanted.keys() <= created.keys()
    for name, keys in wanted.items():
        assert keys == created[name], name


def test_a_secret_that_need_not_exist_is_optional_wherever_it_is_used():
    references = values_under([document for _, document in manifests()] + [flow_job()], "secretRef")
    assert references
    assert all(reference == {"name": "oodinv-s3-credentials", "optional": True} for reference in references)
    assert created_secrets()["oodinv-s3-credentials"] == {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}


def test_every_config_map_that_is_used_exists():
    generated = {entry["name"] for entry in read_yaml(KUBERNETES / "kustomization.yaml")["configMapGenerator"]}
    existing = generated | {document["metadata"]["name"] for document in of_kind("ConfigMap")}
    used = {
        ref["name"] for ref in values_under([document for _, document in manifests()] + [flow_job()], "configMapRef")
    }
    used.add(helm_values("worker")["worker"]["config"]["baseJobTemplate"]["existingConfigMapName"])
    assert used == existing


@pytest.mark.parametrize("pod", sorted(pod_templates()))
def test_a_pod_has_no_rights_it_does_not_need_and_limits(pod):
    assert without_rights(pod_templates()[pod]) == []


def test_a_pod_with_a_right_too_many_is_found():
    for spoil in (
        lambda spec: spec["securityContext"].pop("runAsNonRoot"),
        lambda spec: spec["containers"][0]["securityContext"].update(readOnlyRootFilesystem=False),
        lambda spec: spec["containers"][0]["securityContext"].pop("capabilities"),
        lambda spec: spec["containers"][0]["resources"].pop("limits"),
    ):
        template = copy.deepcopy(pod_templates()["flow run"])
        spoil(template["spec"])
        assert without_rights(template) != []


def test_the_charts_get_the_same_rights():
    for chart, key in (("server", "server"), ("worker", "worker")):
        values = helm_values(chart)[key]
        template = {
            "spec": {
                "securityContext": values["podSecurityContext"],
                "containers": [
                    {"securityContext": values["containerSecurityContext"] | {}, "resources": values["resources"]}
                ],
            }
        }
        assert without_rights(template) == []
    initial = helm_values("worker")["worker"]["initContainer"]["containerSecurityContext"]
    assert initial == helm_values("worker")["worker"]["containerSecurityContext"]


def test_the_namespace_refuses_pods_with_rights():
    [namespace] = of_kind("Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert namespace["metadata"]["name"] == read_yaml(KUBERNETES / "kustomization.yaml")["namespace"]


def test_every_container_that_stays_has_probes():
    for name, container in containers():
        if not name.startswith("flow run/"):
            assert {"livenessProbe", "readinessProbe", "startupProbe"} <= set(container), name
    assert helm_values("worker")["worker"]["livenessProbe"]["enabled"] is True


def test_every_image_is_one_of_ours_or_pinned():
    for name, container in containers():
        image = container["image"]
        assert re.fullmatch(r"(oodinv|oodinv-cuda|postgres):\d[\w.-]*", image), f"{name}: {image}"
    assert helm_values("server")["global"]["prefect"]["image"]["prefectTag"] == "0.1.0"
    assert helm_values("worker")["worker"]["image"] == {"repository": "oodinv-kubernetes-worker", "prefectTag": "0.1.0"}


def test_every_mounted_volume_exists_and_every_writable_place_is_mounted():
    claims = {claim["metadata"]["name"] for claim in of_kind("StatefulSet")[0]["spec"]["volumeClaimTemplates"]}
    for name, template in pod_templates().items():
        volumes = {volume["name"] for volume in template["spec"].get("volumes", [])} | claims
        for container in template["spec"]["containers"]:
            mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
            assert set(mounts) <= volumes, name
            assert "/tmp" in mounts.values(), name


def test_workers_start_from_nothing_and_one_group_has_gpus():
    groups = {group["groupName"]: group for group in ray_cluster()["spec"]["workerGroupSpecs"]}
    assert ray_cluster()["spec"]["enableInTreeAutoscaling"] is True
    assert {name: group["minReplicas"] for name, group in groups.items()} == {"gpu": 0, "cpu": 0}
    assert all(group["maxReplicas"] >= 1 for group in groups.values())
    limits = {name: group["template"]["spec"]["containers"][0]["resources"]["limits"] for name, group in groups.items()}
    assert limits["gpu"]["nvidia.com/gpu"] == "1" and "nvidia.com/gpu" not in limits["cpu"]


def test_autoscaler_v2_gets_pods_that_are_not_restarted():
    assert ray_cluster()["spec"]["autoscalerOptions"]["version"] == "v2"
    assert all(group["template"]["spec"]["restartPolicy"] == "Never" for _, group in ray_groups())


def test_the_head_computes_nothing_offers_nothing_and_lets_only_tokens_in():
    head = ray_cluster()["spec"]["headGroupSpec"]
    assert head["rayStartParams"]["num-cpus"] == "0" and head["rayStartParams"]["include-dashboard"] == "false"
    assert ray_cluster()["spec"]["authOptions"]["mode"] == "token"
    assert all(isinstance(value, str) for _, group in ray_groups() for value in group["rayStartParams"].values())


def test_a_flow_run_joins_this_cluster_with_its_token():
    [container] = flow_job()["spec"]["template"]["spec"]["containers"]
    environment = {entry["name"]: entry for entry in container["env"]}
    assert environment["RAY_ADDRESS"]["value"] == f"{ray_cluster()['metadata']['name']}-head-svc:6379"
    assert environment["RAY_AUTH_MODE"]["value"] == "token"
    token = environment["RAY_AUTH_TOKEN"]["valueFrom"]["secretKeyRef"]
    assert token == {"name": ray_cluster()["spec"]["authOptions"]["secretName"], "key": "auth_token"}


def test_a_flow_run_is_retried_by_nobody_but_prefect_and_cleaned_up():
    spec = flow_job()["spec"]
    assert spec["backoffLimit"] == 0 and spec["template"]["spec"]["restartPolicy"] == "Never"
    assert spec["ttlSecondsAfterFinished"] > 0 and spec["activeDeadlineSeconds"] > 3600


def test_the_job_template_declares_what_it_uses():
    template = job_template()
    declared = set(template["variables"]["properties"])
    assert placeholders(template["job_configuration"]) == declared
    assert "required" not in template["variables"]


def test_the_job_template_has_what_prefects_worker_insists_on():
    manifest = job_template()["job_configuration"]["job_manifest"]
    pod = manifest["spec"]["template"]["spec"]
    assert (manifest["apiVersion"], manifest["kind"]) == ("batch/v1", "Job")
    assert (pod["parallelism"], pod["completions"], pod["restartPolicy"]) == (1, 1, "Never")
    assert pod["containers"][0]["name"] == "prefect-job"
    # The variables of the Kubernetes worker's own template (prefect-kubernetes 0.8), but the two that are fixed here.
    assert set(job_template()["variables"]["properties"]) >= {
        "name", "env", "labels", "annotations", "command", "namespace", "image", "image_pull_policy",
        "service_account_name", "finished_job_ttl", "job_watch_timeout_seconds", "pod_watch_timeout_seconds",
        "stream_output", "cpu_request", "cpu_limit", "memory_request", "memory_limit",
    }  # fmt: skip


def test_the_disruption_budget_means_the_head_of_this_cluster():
    [budget] = of_kind("PodDisruptionBudget")
    labels = budget["spec"]["selector"]["matchLabels"]
    assert labels == {"ray.io/cluster": ray_cluster()["metadata"]["name"], "ray.io/node-type": "head"}


def test_the_server_reaches_the_database_that_runs_here():
    database = helm_values("server")["externalDatabase"]
    [service] = [document for document in of_kind("Service") if document["metadata"]["name"] == database["host"]]
    assert [str(port["port"]) for port in service["spec"]["ports"]] == [database["port"]]
    [postgres] = of_kind("StatefulSet")
    environment = {entry["name"]: entry for entry in postgres["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert environment["POSTGRES_USER"]["value"] == database["username"]
    assert environment["POSTGRES_DB"]["value"] == database["name"]
    assert helm_values("server")["postgresql"]["enabled"] is False
    assert service["spec"]["selector"].items() <= postgres["spec"]["template"]["metadata"]["labels"].items()


def test_the_api_wants_a_password_and_the_worker_has_it():
    server, worker = helm_values("server")["server"], helm_values("worker")["worker"]["selfHostedServerApiConfig"]
    assert server["basicAuth"] == worker["basicAuth"] == {"enabled": True, "existingSecret": "oodinv-prefect-auth"}
    assert worker["apiUrl"] == "http://prefect-server:4200/api"


def test_yaml_anchors_leave_nothing_unmerged():
    assert "<<" not in yaml.safe_dump([document for _, document in manifests()])
