"""A stack of this test run's own: the real template, deployed by the real sam."""

from collections.abc import Iterator

import pytest

from local import stack
from local.stack import Stack


@pytest.fixture(scope="session")
def running_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A whole running stack, beside the developer's own."""
    with stack.running(tmp_path_factory.mktemp("stack")) as running:
        yield running
