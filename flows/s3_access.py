"""Credentials of an S3 store, kept encrypted by Prefect and named in a request."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from prefect.blocks.core import Block
from prefect.exceptions import ObjectNotFound
from pydantic import Field, SecretStr

from oodinv.store import LocationError


class S3Access(Block):
    """Access to S3 or a compatible server."""

    _block_type_name = "S3 access"
    _block_type_slug = "s3-access"
    _description = "Credentials of a bucket for oodinv runs; requests name this block, never the credentials."

    access_key_id: SecretStr = Field(description="Access key id")
    secret_access_key: SecretStr = Field(description="Secret access key")
    session_token: SecretStr | None = Field(default=None, description="Of temporary credentials")
    region: str | None = Field(default=None, description="For example eu-central-1")
    endpoint_url: str | None = Field(default=None, description="Of an S3-compatible server; empty = AWS")

    def environment(self) -> dict[str, str]:
        """As variables that every S3 client reads."""
        values = {
            "AWS_ACCESS_KEY_ID": self.access_key_id.get_secret_value(),
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key.get_secret_value(),
            "AWS_SESSION_TOKEN": self.session_token.get_secret_value() if self.session_token else None,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ENDPOINT_URL_S3": self.endpoint_url,
        }
        return {name: value for name, value in values.items() if value}


@contextmanager
def credentials(block: str | None) -> Iterator[None]:
    """Put a block's credentials into the environment of this process, from where the actors of a private Ray have them.

    The nodes of a cluster that runs already do not inherit them: they need a role or an environment of their own.

    Args:
        block: Its name; None leaves everything to the machine's own credentials.

    Raises:
        LocationError: There is no such block.
    """
    if block is None:
        yield
        return
    try:
        found = cast(S3Access, S3Access.load(block))
    except (ValueError, ObjectNotFound) as error:
        raise LocationError(
            f"no s3-access block {block!r} in this Prefect server: register the type (`prefect block register -m "
            "flows.s3_access`) and create the block in the UI under Blocks"
        ) from error
    names = (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_DEFAULT_REGION",
        "AWS_ENDPOINT_URL_S3",
    )
    before = {name: os.environ.get(name) for name in names}
    fresh = found.environment()
    if "AWS_SESSION_TOKEN" not in fresh:
        os.environ.pop("AWS_SESSION_TOKEN", None)  # of another identity
    os.environ.update(fresh)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
