"""A place on S3, or on a server that speaks its language, as a store for results."""

from dataclasses import dataclass

from oodinv.store.errors import ConditionsUnsupported, ObjectMissing, OutcomeUnknown
from oodinv.store.keys import check_key, is_key
from oodinv.store.s3_calls import NOT_IMPLEMENTED
from oodinv.store.s3_failure import Failure
from oodinv.store.s3_objects import S3Objects
from oodinv.store.s3_reader import S3Reader
from oodinv.store.s3_upload import LARGEST_SINGLE, write_in_parts


@dataclass(frozen=True, kw_only=True)
class S3Store(S3Reader):
    """Reads and writes objects under keys that we generate; others are not listed.

    ``create`` relies on the one condition that servers agree on, ``If-None-Match: *``. Where the server is known to
    ignore it (``Access.single_writer``), ``create`` looks first, which is right for one writer only.

    The credentials need ``s3:ListBucket``, ``s3:GetObject`` and ``s3:PutObject``; ``s3:DeleteObject`` only to collect
    garbage.
    """

    def put(self, key: str, data: bytes) -> None:
        """See ``Store.put``."""
        objects = self._objects
        write = write_in_parts if len(data) > LARGEST_SINGLE else S3Objects.write
        failure = write(objects, check_key(key), data)
        if failure is not None:
            objects.fail(failure, "write")

    def create(self, key: str, data: bytes) -> bool:
        """See ``Store.create``.

        Raises:
            OutcomeUnknown: No answer says whether it was written: repeat the identical call.
            ConditionsUnsupported: The server does not do conditional writes.
            StoreError: It was not written.
        """
        if self.access.single_writer:
            return self._create_as_single_writer(key, data)
        objects = self._objects
        failure = objects.write(check_key(key), data, IfNoneMatch="*")
        if failure is None:
            return True
        taken = failure.status == 412
        if taken and not failure.unclear:
            return False
        if taken or failure.unclear or failure.status == 409:
            raise OutcomeUnknown(
                f"no answer says whether {key} was written to {self.uri} {failure.said}. Run the same command again: "
                "it resumes and finds out."
            )
        if failure.status == NOT_IMPLEMENTED:
            raise ConditionsUnsupported(f"{self.uri} does not do create-only writes {failure.said}")
        objects.fail(failure, "write")

    def delete(self, key: str) -> None:
        """See ``Store.delete``."""
        answer = self._objects.ask("delete_object", Key=self._objects.full(check_key(key)))
        if isinstance(answer, Failure) and answer.code not in ("NoSuchKey", "404"):
            self._objects.fail(answer, "delete")

    def _create_as_single_writer(self, key: str, data: bytes) -> bool:
        try:
            self.head(key)
        except ObjectMissing:
            self.put(key, data)
            return True
        return False

    def _checked(self, key: str) -> str:
        return check_key(key)

    def _is_key(self, key: str) -> bool:
        return is_key(key)
