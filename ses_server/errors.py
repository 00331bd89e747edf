"""The refusals of SES, in the words of its HTTP API."""

from http import HTTPStatus


class SesError(Exception):
    """Refuses a whole call: ``code`` is SES's name of the error, ``status`` its HTTP status."""

    def __init__(
        self, code: str, message: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


def bad_request(message: str) -> SesError:
    return SesError("BadRequestException", message)


def not_found(message: str) -> SesError:
    return SesError("NotFoundException", message, HTTPStatus.NOT_FOUND)


def already_exists(message: str) -> SesError:
    return SesError("AlreadyExistsException", message)


def rejected(message: str) -> SesError:
    return SesError("MessageRejected", message)


def sending_paused(message: str) -> SesError:
    return SesError("SendingPausedException", message)
