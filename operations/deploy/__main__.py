"""``python -m operations.deploy``: the command by itself."""

import typer

from operations.deploy.command import deploy

if __name__ == "__main__":
    typer.run(deploy)
