"""Writes the template as CloudFormation gets it: transformed by SAM, without asking an account.

    .venv-sam/bin/python tests/template/transform.py template.yaml transformed.json

Run by sam's own interpreter, since it does as ``sam validate``.
"""

import json
import sys
from pathlib import Path

from samcli.lib.translate.sam_template_validator import SamTemplateValidator
from samcli.yamlhelper import yaml_parse


class NoManagedPolicies:
    """Stands for the list of AWS's policies by name; the template names none."""

    def load(self) -> dict[str, str]:
        """Return the list."""
        return {}


def main(source: Path, target: Path) -> None:
    """Transform one file into another."""
    template = yaml_parse(source.read_text(encoding="utf-8"))
    validator = SamTemplateValidator(template, NoManagedPolicies(), region="us-east-1")
    transformed = yaml_parse(validator.get_translated_template_if_valid())
    target.write_text(json.dumps(transformed, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
