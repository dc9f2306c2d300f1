import json
import re
from fnmatch import fnmatchcase
from typing import Any

import pytest
from infra_files import INFRA

FOLDER = INFRA / "policies"
NAMES = {
    "@SOURCE_BUCKET@": "photos",
    "@SOURCE_PREFIX@": "faces",
    "@TARGET_BUCKET@": "datasets",
    "@TARGET_PREFIX@": "faces",
    "@ADMIN_ARN@": "arn:aws:iam::000000000000:role/admin",
}
PHOTO = "photos/faces/a.jpg"
IMAGE = "datasets/faces/products/smile_p1.50-77d01b3e/data/1f/1-000000/0123/a.jpg"
COMMIT = "datasets/faces/products/smile_p1.50-77d01b3e/commits/1-000000.1.json"
SPEC = "datasets/faces/products/smile_p1.50-77d01b3e/spec.json"
INVENTORY = "datasets/faces/inventory/1.parquet"
SNAPSHOT = "datasets/faces/snapshots/1.json"
SNAPSHOT_DATA = "datasets/faces/snapshots/data/0123/part.parquet"
LATEST = "datasets/faces/latest.json"
REPORT = "datasets/faces/runs/0123/report.md"
PROBE = "datasets/faces/runs/probe-0123"
LEDGER = [COMMIT, SPEC, INVENTORY, SNAPSHOT]

ROLES = {"reader": ["reader"], "pipeline": ["reader", "writer"], "collector": ["writer", "collector"]}
MAY_EVERYTHING = ("admin", "careless")


def policy(name: str) -> dict[str, Any]:
    text = (FOLDER / f"{name}.json").read_text()
    for placeholder, value in NAMES.items():
        text = text.replace(placeholder, value)
    return json.loads(text)


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def condition_holds(operator: str, key: str, wanted: Any, context: dict[str, str]) -> bool:
    """The few operators that the policies use, as IAM evaluates them."""
    if operator == "Null":
        return (key not in context) == (wanted == "true")
    if operator == "Bool":
        return context.get(key) == wanted
    if operator == "StringLikeIfExists":
        return key not in context or any(fnmatchcase(context[key], pattern) for pattern in as_list(wanted))
    if operator == "ArnNotLike":
        return not any(fnmatchcase(context[key], pattern) for pattern in as_list(wanted))
    raise AssertionError(f"the matcher does not know {operator}")


def matches(statement: dict[str, Any], action: str, resource: str, context: dict[str, str]) -> bool:
    if not any(fnmatchcase(action, pattern) for pattern in as_list(statement["Action"])):
        return False
    if not any(fnmatchcase(f"arn:aws:s3:::{resource}", pattern) for pattern in as_list(statement["Resource"])):
        return False
    return all(
        condition_holds(operator, key, wanted, context)
        for operator, pairs in statement.get("Condition", {}).items()
        for key, wanted in pairs.items()
    )


def allowed(role: str, action: str, resource: str, bucket: dict[str, Any] | None = None, **given: str) -> bool:
    """Whether a request gets through: some statement of the role allows it and none of the bucket denies it."""
    context = {
        "aws:SecureTransport": given.get("tls", "true"),
        "aws:PrincipalArn": f"arn:aws:iam::000000000000:role/{role}",
    }
    if action == "s3:PutObject":
        context["s3:ObjectCreationOperation"] = given.get("creates", "true")
    for name, key in (("if_none_match", "s3:if-none-match"), ("prefix", "s3:prefix")):
        if name in given:
            context[key] = given[name]
    if role in MAY_EVERYTHING:
        of_role = [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]
    else:
        of_role = [s for name in ROLES[role] for s in policy(name)["Statement"]]
    denials = (bucket or policy("bucket"))["Statement"]
    assert all(s["Effect"] == "Allow" for s in of_role) and all(s["Effect"] == "Deny" for s in denials)
    if resource.startswith("datasets") and any(matches(s, action, resource, context) for s in denials):
        return False
    return any(matches(s, action, resource, context) for s in of_role)


# role, action, resource, more, allowed
TRUTH = [
    ("reader", "s3:GetObject", PHOTO, {}, True),
    ("reader", "s3:ListBucket", "photos", {"prefix": "faces/2026/"}, True),
    ("reader", "s3:ListBucket", "photos", {"prefix": "letters/"}, False),
    ("reader", "s3:ListBucket", "photos", {"prefix": "faces-of-others/"}, False),
    # Asking for one object that is missing carries no prefix; refused, S3 would answer 403 and not 404.
    ("reader", "s3:ListBucket", "photos", {}, True),
    ("reader", "s3:GetObject", "photos/letters/a.txt", {}, False),
    ("reader", "s3:PutObject", PHOTO, {}, False),
    ("reader", "s3:DeleteObject", PHOTO, {}, False),
    ("reader", "s3:GetObject", IMAGE, {}, False),
    ("pipeline", "s3:PutObject", IMAGE, {}, True),
    ("pipeline", "s3:GetObject", IMAGE, {}, True),
    ("pipeline", "s3:AbortMultipartUpload", IMAGE, {}, True),
    ("pipeline", "s3:ListBucket", "datasets", {"prefix": "faces/products/"}, True),
    ("pipeline", "s3:ListBucket", "datasets", {"prefix": "secrets/"}, False),
    ("pipeline", "s3:PutObject", LATEST, {}, True),
    ("pipeline", "s3:PutObject", REPORT, {}, True),
    ("pipeline", "s3:PutObject", SNAPSHOT_DATA, {}, True),
    ("pipeline", "s3:PutObject", PHOTO, {}, False),
    ("pipeline", "s3:PutObject", "datasets/others/a", {}, False),
    ("pipeline", "s3:DeleteObject", IMAGE, {}, False),
    ("pipeline", "s3:PutObject", IMAGE, {"tls": "false"}, False),
    *((role, "s3:PutObject", key, {"if_none_match": "*"}, True) for role in ("pipeline", "admin") for key in LEDGER),
    *((role, "s3:PutObject", key, {}, False) for role in ("pipeline", "admin") for key in LEDGER),
    # Parts of a large object create nothing yet; completing it does.
    ("pipeline", "s3:PutObject", INVENTORY, {"creates": "false"}, True),
    ("collector", "s3:DeleteObject", IMAGE, {}, True),
    ("collector", "s3:DeleteObject", SNAPSHOT_DATA, {}, True),
    ("collector", "s3:DeleteObject", PROBE, {}, True),
    ("collector", "s3:DeleteObject", REPORT, {}, False),
    ("collector", "s3:DeleteObject", LATEST, {}, False),
    ("collector", "s3:DeleteObject", PHOTO, {}, False),
    *(("collector", "s3:DeleteObject", key, {}, False) for key in LEDGER),
    *(("careless", "s3:DeleteObject", key, {}, False) for key in LEDGER),
    ("careless", "s3:DeleteObject", IMAGE, {}, True),
    *(("admin", "s3:DeleteObject", key, {}, True) for key in LEDGER),
]


@pytest.mark.parametrize(("role", "action", "resource", "more", "verdict"), TRUTH)
def test_a_role_may_just_what_it_needs(role, action, resource, more, verdict):
    assert allowed(role, action, resource, **more) is verdict


@pytest.mark.parametrize("sid", [statement["Sid"] for statement in policy("bucket")["Statement"]])
def test_every_denial_of_the_bucket_is_needed(sid):
    bucket = policy("bucket")
    bucket["Statement"] = [statement for statement in bucket["Statement"] if statement["Sid"] != sid]
    changed = [row for row in TRUTH if allowed(row[0], row[1], row[2], bucket, **row[3]) is not row[4]]
    assert changed


def test_without_its_condition_the_denial_would_stop_the_pipeline():
    bucket = policy("bucket")
    for statement in bucket["Statement"]:
        if statement["Sid"] == "DenyOverwritingTheLedger":
            del statement["Condition"]["Null"]
    assert not allowed("pipeline", "s3:PutObject", COMMIT, bucket, if_none_match="*")


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_a_policy_has_the_form_that_aws_reads(path):
    document = policy(path.stem)
    assert "@" not in json.dumps(document)
    if path.stem == "lifecycle":
        [rule] = document["Rules"]
        assert rule["Status"] == "Enabled" and rule["Filter"] == {"Prefix": "faces/"}
        assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 3}
        return
    assert set(document) == {"Version", "Statement"} and document["Version"] == "2012-10-17"
    of_bucket = path.stem == "bucket"
    for statement in document["Statement"]:
        assert re.fullmatch("[A-Za-z0-9]+", statement["Sid"])
        assert statement["Effect"] == ("Deny" if of_bucket else "Allow")
        assert ("Principal" in statement) == of_bucket
        assert set(statement) <= {"Sid", "Effect", "Principal", "Action", "Resource", "Condition"}
        for resource in as_list(statement["Resource"]):
            assert resource.startswith("arn:aws:s3:::")
    sids = [statement["Sid"] for statement in document["Statement"]]
    assert len(sids) == len(set(sids))


def test_no_role_may_do_everything():
    for name in ("reader", "writer", "collector"):
        for statement in policy(name)["Statement"]:
            assert all("*" not in action for action in as_list(statement["Action"]))


def test_the_keys_of_the_table_are_the_ledgers():
    from oodinv.ledger.attempt_keys import PROBES
    from oodinv.ledger.layout import attempt_prefix, commits_prefix, spec_key

    product = "smile_p1.50-77d01b3e"
    assert COMMIT.startswith(f"datasets/faces/{commits_prefix(product)}")
    assert f"datasets/faces/{spec_key(product)}" == SPEC
    made = f"datasets/faces/{attempt_prefix(product, '1-000000', '0123')}"
    assert re.sub("/[0-9a-f]{2}/", "/xx/", made) == re.sub("/[0-9a-f]{2}/", "/xx/", IMAGE.rpartition("/")[0] + "/")
    assert f"datasets/faces/{PROBES}0123" == PROBE
