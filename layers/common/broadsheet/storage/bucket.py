"""S3: the one client, and the bucket."""

from __future__ import annotations

import io
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, override

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from broadsheet import aws
from broadsheet.domain.errors import DependencyUnavailable
from broadsheet.settings import content_bucket

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

_CHUNK = 1024 * 1024
_PART = 8 * 1024 * 1024  # of at most 10,000, which make 80 GB


def put_once(key: str, content: bytes, media_type: str) -> bool:
    """Store what never changes, and return True; False when the key is taken.

    Raises ``DependencyUnavailable``.
    """
    try:
        try:
            _put_once(key, content, media_type)
        except ClientError as error:
            # Another write of the key was under way; it has ended by now, well or not.
            if _code(error) != "ConditionalRequestConflict":
                raise
            _put_once(key, content, media_type)
    except (BotoCoreError, ClientError) as error:
        if _code(error) != "PreconditionFailed":
            raise DependencyUnavailable("the content could not be stored") from error
        return False
    return True


def _put_once(key: str, content: bytes, media_type: str) -> None:
    _client().put_object(
        Bucket=content_bucket(),
        Key=key,
        Body=content,
        ContentType=media_type,
        IfNoneMatch="*",  # no second version of the same bytes
    )


def put(key: str, content: bytes, media_type: str) -> None:
    """Store what may change: it replaces what the key holds. Raises ``DependencyUnavailable``."""
    try:
        _client().put_object(Bucket=content_bucket(), Key=key, Body=content, ContentType=media_type)
    except (BotoCoreError, ClientError) as error:
        raise DependencyUnavailable("the content could not be stored") from error


def delete(key: str) -> None:
    """Remove what a key holds, if anything. Raises ``DependencyUnavailable``."""
    try:
        _client().delete_object(Bucket=content_bucket(), Key=key)
    except (BotoCoreError, ClientError) as error:
        raise DependencyUnavailable("the content could not be removed") from error


def get(key: str) -> bytes | None:
    """Return what a key holds; None when there is no such key.

    Raises ``DependencyUnavailable``.
    """
    try:
        return _client().get_object(Bucket=content_bucket(), Key=key)["Body"].read()
    except (BotoCoreError, ClientError) as error:
        if _code(error) == "NoSuchKey":
            return None
        raise DependencyUnavailable("the content could not be read") from error


def upload_url(key: str, seconds: int) -> str:
    """Return a URL that takes a key's content by ``PUT``, for some seconds."""
    url: str = _client().generate_presigned_url(
        "put_object", Params={"Bucket": content_bucket(), "Key": key}, ExpiresIn=seconds
    )
    return url


def download_url(key: str, file_name: str, seconds: int) -> str:
    """Return a URL that gives a key's content as a file, for some seconds."""
    url: str = _client().generate_presigned_url(
        "get_object",
        Params={
            "Bucket": content_bucket(),
            "Key": key,
            "ResponseContentDisposition": f'attachment; filename="{file_name}"',
        },
        ExpiresIn=seconds,
    )
    return url


def put_file(key: str, file: BinaryIO) -> None:
    """Store a file of up to 5 GB. Raises ``DependencyUnavailable``."""
    try:
        _client().put_object(Bucket=content_bucket(), Key=key, Body=file)
    except (BotoCoreError, ClientError) as error:
        raise DependencyUnavailable("the content could not be stored") from error


@contextmanager
def written(key: str) -> Iterator[Upload]:
    """Store what is written meanwhile, of any size, once it has ended without an error.

    Writing, too, raises ``DependencyUnavailable``.
    """
    with _heard():
        begun = _client().create_multipart_upload(Bucket=content_bucket(), Key=key)
    upload = Upload(key, begun["UploadId"])
    try:
        yield upload
        upload.finish()
    except BaseException:
        with suppress(DependencyUnavailable), _heard():  # else the bucket does, in a day
            _client().abort_multipart_upload(
                Bucket=content_bucket(), Key=key, UploadId=begun["UploadId"]
            )
        raise


class Upload:
    """A key's content, sent in parts as it is written."""

    def __init__(self, key: str, upload_id: str) -> None:
        """Take what was begun."""
        self._key, self._id = key, upload_id
        self._waiting = bytearray()
        self._parts: list[CompletedPartTypeDef] = []

    def write(self, content: bytes, /) -> int:
        """Keep some content, and send a part when there is enough for one."""
        self._waiting += content
        while len(self._waiting) >= _PART:
            self._send(bytes(self._waiting[:_PART]))
            del self._waiting[:_PART]
        return len(content)

    def flush(self) -> None:
        """Do nothing: a part can't be sent before there is enough for it."""

    def close(self) -> None:
        """Do nothing: ``finish`` ends it."""

    def finish(self) -> None:
        """Send the rest; then the key holds all of it."""
        self._send(bytes(self._waiting))
        with _heard():
            _client().complete_multipart_upload(
                Bucket=content_bucket(),
                Key=self._key,
                UploadId=self._id,
                MultipartUpload={"Parts": self._parts},
            )

    def _send(self, part: bytes) -> None:
        number = len(self._parts) + 1
        with _heard():
            sent = _client().upload_part(
                Bucket=content_bucket(),
                Key=self._key,
                UploadId=self._id,
                PartNumber=number,
                Body=part,
            )
        self._parts.append({"PartNumber": number, "ETag": sent["ETag"]})


class Content(io.RawIOBase):
    """A key's content, of which only what is wanted is read."""

    def __init__(self, key: str, size: int) -> None:
        """Take the key, and how many bytes it holds."""
        super().__init__()
        self._key, self._size, self._at = key, size, 0

    @override
    def readable(self) -> bool:
        return True

    @override
    def seekable(self) -> bool:
        return True

    @override
    def tell(self) -> int:
        return self._at

    @override
    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        begin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(begin + offset, 0)
        return self._at

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override] # BufferedReader's
        """Read on from where it is. Raises ``DependencyUnavailable``."""
        upto = min(self._at + len(buffer), self._size)
        if upto <= self._at:
            return 0
        with _heard():
            answer = _client().get_object(
                Bucket=content_bucket(), Key=self._key, Range=f"bytes={self._at}-{upto - 1}"
            )
            content = answer["Body"].read()
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)


def opened(key: str) -> io.BufferedReader:
    """Open what a key holds, to be read anywhere.

    Raises ``FileNotFoundError`` when there is no such key; and ``DependencyUnavailable``, as
    reading does.
    """
    known = size(key)
    if known is None:
        raise FileNotFoundError(key)
    return io.BufferedReader(Content(key, known), _PART)


@contextmanager
def _heard() -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise DependencyUnavailable("the bucket did not take or give the content") from error


def keys(prefix: str) -> Iterator[str]:
    """Yield the keys that begin so, in their order. Raises ``DependencyUnavailable``."""
    pages = _client().get_paginator("list_objects_v2")
    with _heard():
        for page in pages.paginate(Bucket=content_bucket(), Prefix=prefix):
            yield from (each["Key"] for each in page.get("Contents", []))


def size(key: str) -> int | None:
    """Return how many bytes a key holds, None without it. Raises ``DependencyUnavailable``."""
    try:
        return _client().head_object(Bucket=content_bucket(), Key=key)["ContentLength"]
    except (BotoCoreError, ClientError) as error:
        if _code(error) in {"NoSuchKey", "404"}:  # an answer to HEAD has no body that names it
            return None
        raise DependencyUnavailable("the content could not be read") from error


def copy_to(key: str, file: BinaryIO) -> None:
    """Write what a key holds into a file.

    Raises ``FileNotFoundError`` when there is no such key, and ``DependencyUnavailable``.
    """
    try:
        body = _client().get_object(Bucket=content_bucket(), Key=key)["Body"]
        file.writelines(body.iter_chunks(_CHUNK))
    except (BotoCoreError, ClientError) as error:
        if _code(error) == "NoSuchKey":
            raise FileNotFoundError(key) from error
        raise DependencyUnavailable("the content could not be read") from error


def _code(error: BotoCoreError | ClientError) -> str | None:
    return error.response["Error"]["Code"] if isinstance(error, ClientError) else None


@cache
def _client() -> S3Client:
    # In the oldest regions, presigned URLs have version 2 otherwise, which new buckets refuse.
    config = aws.call_config().merge(Config(signature_version="s3v4"))
    created: S3Client = aws.client("s3", config)
    return created
