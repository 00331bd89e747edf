"""``python -m ses_server``; see ``command``."""

from ses_server import command

if __name__ == "__main__":
    command.run(command.parser().parse_args())
