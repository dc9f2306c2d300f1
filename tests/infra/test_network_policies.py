from typing import Any

import pytest
from infra_files import helm_values, of_kind, pod_templates

Pod = dict[str, str]
Policy = dict[str, Any]
KUBE_DNS: Pod = {"k8s-app": "kube-dns"}


def pods() -> dict[str, Pod]:
    """Labels of every pod, those of the Helm charts included."""
    found = {name: template["metadata"]["labels"] for name, template in pod_templates().items()}
    found["prefect server"] = helm_values("server")["server"]["podLabels"]
    found["prefect worker"] = helm_values("worker")["worker"]["podLabels"]
    return found


PODS = pods()


def selects(selector: dict[str, Any], labels: Pod) -> bool:
    return selector.get("matchLabels", {}).items() <= labels.items()


def allows(policies: list[Policy], pod: Pod, direction: str, peer: Pod | str, port: int) -> bool:
    """Whether the policies let a pod receive (Ingress) or send (Egress) TCP; `peer` is a pod or ``world``."""
    side, end = ("ingress", "from") if direction == "Ingress" else ("egress", "to")
    of_pod = [p["spec"] for p in policies if direction in p["spec"]["policyTypes"]]
    of_pod = [spec for spec in of_pod if selects(spec["podSelector"], pod)]
    if not of_pod:
        return True
    for rule in [rule for spec in of_pod for rule in spec.get(side, [])]:
        ports = rule.get("ports")
        if ports is not None and not any(p["port"] == port and p.get("protocol", "TCP") == "TCP" for p in ports):
            continue
        for place in rule[end]:
            if "ipBlock" in place:
                if peer == "world":
                    return True
            elif isinstance(peer, dict) and selects(place["podSelector"], peer):
                if ("namespaceSelector" in place) == (peer == KUBE_DNS):
                    return True
    return False


def reaches(policies: list[Policy], source: str, destination: str, port: int) -> bool:
    """Whether TCP from one of our pods to another, to ``dns`` or to the ``world`` gets through."""
    peer = {"dns": KUBE_DNS, "world": "world"}.get(destination) or PODS[destination]
    if not allows(policies, PODS[source], "Egress", peer, port):
        return False
    return destination in ("dns", "world") or allows(policies, PODS[destination], "Ingress", PODS[source], port)


NEEDED = [
    ("prefect server", "postgres", 5432),
    ("prefect worker", "prefect server", 4200),
    ("flow run", "prefect server", 4200),
    ("flow run", "ray head", 6379),
    ("ray gpu", "ray head", 6379),
    ("ray cpu", "ray head", 6379),
    # Actors and raylets call the driver and each other on ports that are chosen at start.
    ("ray gpu", "flow run", 31234),
    ("ray head", "flow run", 31234),
    ("flow run", "ray cpu", 10077),
    ("ray cpu", "ray gpu", 10077),
    ("flow run", "world", 443),
    ("ray gpu", "world", 443),
    ("ray cpu", "world", 443),
    ("prefect worker", "world", 443),
    ("ray head", "world", 6443),
    *((name, "dns", 53) for name in PODS),
]
REFUSED = [
    ("ray gpu", "prefect server", 4200),
    ("ray gpu", "postgres", 5432),
    ("flow run", "postgres", 5432),
    ("prefect worker", "postgres", 5432),
    ("prefect worker", "ray head", 6379),
    ("prefect server", "ray head", 6379),
    ("prefect server", "world", 443),
    ("postgres", "world", 443),
    ("postgres", "prefect server", 4200),
    ("ray cpu", "world", 80),
    ("flow run", "world", 6443),
]


@pytest.mark.parametrize(("source", "destination", "port"), NEEDED)
def test_what_must_talk_can(source, destination, port):
    assert reaches(of_kind("NetworkPolicy"), source, destination, port)


@pytest.mark.parametrize(("source", "destination", "port"), REFUSED)
def test_what_need_not_talk_cannot(source, destination, port):
    assert not reaches(of_kind("NetworkPolicy"), source, destination, port)


def test_a_pod_that_no_label_lets_in_is_alone():
    policies = of_kind("NetworkPolicy")
    assert not allows(policies, {}, "Ingress", {}, 4200) and not allows(policies, {}, "Egress", "world", 443)
    open_ones = [policy for policy in policies if policy["metadata"]["name"] != "deny-all"]
    assert allows(open_ones, {}, "Ingress", {}, 4200)


@pytest.mark.parametrize("name", sorted(p["metadata"]["name"] for p in of_kind("NetworkPolicy")))
def test_every_policy_is_needed(name):
    others = [policy for policy in of_kind("NetworkPolicy") if policy["metadata"]["name"] != name]
    broken = [row for row in NEEDED if not reaches(others, *row)]
    opened = [row for row in REFUSED if reaches(others, *row)]
    assert broken or opened or allows(others, {}, "Ingress", {}, 4200)


def test_every_label_that_a_policy_names_is_on_a_pod():
    named = {
        label
        for policy in of_kind("NetworkPolicy")
        for selector in selectors(policy["spec"])
        for label in selector.get("matchLabels", {}).items()
    }
    known = {label for labels in [*PODS.values(), KUBE_DNS] for label in labels.items()}
    assert named <= known


def selectors(spec: Policy) -> list[dict[str, Any]]:
    rules = [*spec.get("ingress", []), *spec.get("egress", [])]
    places = [place for rule in rules for place in [*rule.get("from", []), *rule.get("to", [])]]
    return [spec["podSelector"], *(place["podSelector"] for place in places if "podSelector" in place)]


def test_the_metadata_address_of_a_node_stays_out_of_reach():
    blocks = [
        place["ipBlock"]
        for policy in of_kind("NetworkPolicy")
        for rule in policy["spec"].get("egress", [])
        for place in rule["to"]
        if "ipBlock" in place
    ]
    assert blocks and all("169.254.169.254/32" in block["except"] for block in blocks)
