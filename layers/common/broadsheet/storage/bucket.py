"""S3: the one client, and the bucket."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from broadsheet import aws
from broadsheet.domain.errors import DependencyUnavailable
from broadsheet.settings import content_bucket

if TYPE_CHECKING:
    from typing import BinaryIO

    from mypy_boto3_s3 import S3Client

_CHUNK = 1024 * 1024


def put_once(key: str, content: bytes, media_type: str) -> None:
    """Store what never changes; when the key is taken, it holds the same.

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


def size(key: str) -> int | None:
    """Return how many bytes a key holds, None without it. Raises ``DependencyUnavailable``."""
    try:
        return _client().head_object(Bucket=content_bucket(), Key=key)["ContentLength"]
    except (BotoCoreError, ClientError) as error:
        if _code(error) in {"NoSuchKey", "404"}:  # an answer to HEAD has no body that names it
            return None
        raise DependencyUnavailable("the content could not be read") from error


def copy_to(key: str, file: BinaryIO) -> None:
    """Write what a key holds into a file. Raises ``DependencyUnavailable``."""
    try:
        body = _client().get_object(Bucket=content_bucket(), Key=key)["Body"]
        file.writelines(body.iter_chunks(_CHUNK))
    except (BotoCoreError, ClientError) as error:
        raise DependencyUnavailable("the content could not be read") from error


def _code(error: BotoCoreError | ClientError) -> str | None:
    return error.response["Error"]["Code"] if isinstance(error, ClientError) else None


@cache
def _client() -> S3Client:
    # In the oldest regions, presigned URLs have version 2 otherwise, which new buckets refuse.
    config = aws.call_config().merge(Config(signature_version="s3v4"))
    created: S3Client = aws.client("s3", config)
    return created
