import re

import pytest
from infra_files import BINARY, INFRA, OPERATIONS, ROOT

FILES = sorted(
    path
    for path in [*INFRA.rglob("*"), OPERATIONS]
    if path.is_file() and path.suffix not in BINARY and path.name != ".env"
)
_LOOKS_REAL = {
    "an AWS key": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY"),
    "random hexadecimal": re.compile(r"\b[0-9a-f]{32,}\b"),
    "random text": re.compile(r"\b(?=\w*[0-9])(?=\w*[a-z])(?=\w*[A-Z])\w{24,}\b"),
    "a password": re.compile(r"(?i)\b(?:password|secret_?key|auth_?string|token)\b[\"']?\s*[=:]\s*[\"']?[\w@!-]{6,}"),
}
_HARMLESS = ("example-not-a-secret", "${", "$(", "secretKeyRef", "SecretKey: password", "authMode", "/etc/oodinv")


def findings(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if not any(word in line for word in _HARMLESS)]
    return [f"{what}: {line.strip()}" for line in lines for what, look in _LOOKS_REAL.items() if look.search(line)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_nothing_looks_like_a_real_secret(path):
    assert findings(path.read_text()) == []


@pytest.mark.parametrize(
    "planted",
    [
        "AWS_ACCESS_KEY_ID=AKIA" + "Q" * 16,
        "RAY_AUTH_TOKEN=" + "0123456789abcdef" * 2,
        "  password: hunter2hunter2",
        "-----BEGIN RSA PRIVATE KEY-----",
        "value: wJalrXUtnFEMI0K7MDENGbPxRfiCY1",
    ],
)
def test_a_real_secret_is_found(planted):
    assert len(findings(planted)) >= 1
