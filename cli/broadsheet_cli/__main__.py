"""``python -m broadsheet_cli``: the command, where no script is installed."""

from broadsheet_cli.app import main

main()
