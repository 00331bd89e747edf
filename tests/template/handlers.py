"""Prints what CloudFormation calls for each of some resource types, from its own registry.

    .venv-sam/bin/python tests/template/handlers.py AWS::SQS::Queue ...

The registry's schemas, with the permissions of each handler, come with cfn-lint.
"""

import json
import sys

from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

HANDLERS = ("create", "read", "update", "delete")


def main(kinds: list[str]) -> None:
    """Print the permissions of each type's handlers."""
    schemas = {
        kind: PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
        for kind in kinds
    }
    permissions = {
        kind: sorted(
            {
                permission
                for name, handler in schema["handlers"].items()
                if name in HANDLERS
                for permission in handler["permissions"]
            }
        )
        for kind, schema in schemas.items()
    }
    json.dump(permissions, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1:])
