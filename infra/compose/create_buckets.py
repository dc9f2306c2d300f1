"""Create the buckets that are named and do not exist; wait for the store while it starts."""

import sys
import time

import boto3
from botocore.exceptions import BotoCoreError, ClientError

_WAIT_S = 60.0
_OURS = ("BucketAlreadyOwnedByYou", "BucketAlreadyExists")


def create_bucket(s3: object, name: str) -> None:
    """Create one bucket; one that exists is left as it is.

    Raises:
        ClientError: The store refuses, or still fails after a minute.
        BotoCoreError: The store cannot be reached for a minute.
    """
    end = time.monotonic() + _WAIT_S
    while True:
        try:
            s3.create_bucket(Bucket=name)  # type: ignore[attr-defined]
            return
        except ClientError as error:
            if error.response["Error"]["Code"] in _OURS:
                return
            refused = error.response["ResponseMetadata"]["HTTPStatusCode"] < 500
            if refused or time.monotonic() > end:
                raise
        except BotoCoreError:
            if time.monotonic() > end:
                raise
        time.sleep(1)


if __name__ == "__main__":
    client = boto3.client("s3")
    for bucket in sys.argv[1:]:
        create_bucket(client, bucket)
        print(f"bucket {bucket}: ready")
