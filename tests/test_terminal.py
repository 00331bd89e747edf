"""What stands on a terminal is what a person sees there in the end."""

from tests.journey.terminal import on_screen


def test_lines_that_were_written_over_are_gone() -> None:
    printed = "\x1b[1mIn 2 s\x1b[0m\r\x1b[2KIn 1 s\r\n"
    printed += "30%\r\nbooks\r\x1b[2K\x1b[1A\x1b[2K100%\r\nbooks\r\n"

    assert on_screen(printed) == "In 1 s\n100%\nbooks\n"
