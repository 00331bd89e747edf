"""The operator's guide names what there is: alarms, parameters, outputs and commands."""

import re
from pathlib import Path

import jmespath  # type: ignore[import-untyped]
import pytest

from operations import template_file

ROOT = Path(__file__).parents[2]
LAYER = ROOT / "layers" / "common" / "broadsheet"
GUIDE = (ROOT / "docs" / "operations.md").read_text()
TEMPLATE = template_file.read(ROOT / "template.yaml")
DEPLOYER = template_file.read(ROOT / "infra" / "deployer.yaml")
ALARMS = [
    resource["Properties"]["AlarmName"]["Fn::Sub"].removeprefix("${AWS::StackName}-")
    for resource in TEMPLATE["Resources"].values()
    if resource["Type"] == "AWS::CloudWatch::Alarm"
]


@pytest.mark.parametrize("alarm", ALARMS)
def test_every_alarm_is_explained(alarm: str) -> None:
    (table,) = re.findall(r"^## The alarms\n(.*?)^## ", GUIDE, re.MULTILINE | re.DOTALL)

    assert f"`{alarm}`" in table


def test_every_alarm_that_is_explained_is_there() -> None:
    rows = re.findall(r"^\| (`[a-z`, -]+`) \|", GUIDE, re.MULTILINE)

    assert {name for row in rows for name in re.findall(r"`([a-z-]+)`", row)} == set(ALARMS)


def test_every_command_is_one_of_the_makefiles() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)

    named = set(re.findall(r"(?:^|`|\$ |\| )make ([a-z-]+)", GUIDE, re.MULTILINE))
    assert named
    assert named <= set(targets)


def test_every_parameter_is_one_of_the_templates() -> None:
    named = set(re.findall(r"\b([A-Z][a-z][A-Za-z]+)=[\w.@-]", GUIDE))
    in_the_table = set(re.findall(r"^\| `([A-Z][a-z]\w+)`", GUIDE, re.MULTILINE))
    others = {"Name", "Value"}  # of a metric's dimension

    assert named | in_the_table
    known = TEMPLATE["Parameters"].keys() | DEPLOYER["Parameters"].keys()
    assert (named | in_the_table) - others <= known


def test_every_output_is_one_of_the_templates() -> None:
    named = set(re.findall(r"outputs? `(\w+)`|OutputKey=='(\w+)'", GUIDE))

    outputs = {name for pair in named for name in pair if name}
    assert outputs
    assert outputs <= TEMPLATE["Outputs"].keys() | DEPLOYER["Outputs"].keys()


def test_every_question_to_aws_can_be_asked() -> None:
    log = [[{"field": "subscriber_id", "value": "1"}, {"field": "@ptr", "value": "x"}]] * 2
    queries = re.findall(r"--query (\"[^\"]+\"|[\w.]+)", GUIDE)

    assert len(queries) > 5
    for query in queries:
        jmespath.compile(query.strip('"'))
    (of_the_log,) = [query.strip('"') for query in queries if "results" in query]
    assert jmespath.search(of_the_log, {"results": log}) == ["1", "1"]


def test_every_region_whose_authorities_are_said_to_be_missing_is_without_them() -> None:
    (section,) = re.findall(r"^### In a new region\n(.*?)^## ", GUIDE, re.MULTILINE | re.DOTALL)
    missing = set(re.findall(r"`([a-z]{2}-[a-z]+-\d)`", section))
    shipped = {file.stem for file in (LAYER / "database" / "certificates").glob("*.pem")}

    assert missing
    assert shipped
    assert not missing & shipped
