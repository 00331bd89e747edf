"""The operator's guide names what exists: alarms, parameters, outputs, commands and sections."""

import re
from pathlib import Path

import jmespath  # type: ignore[import-untyped]
import pytest

from operations import template_file

ROOT = Path(__file__).parents[2]
LAYER = ROOT / "layers" / "common" / "broadsheet"
PAGES = {
    name: (ROOT / "docs" / name).read_text() for name in ("operations.md", "operations-appendix.md")
}
GUIDE = "\n".join(PAGES.values())
TEMPLATE = template_file.read(ROOT / "template.yaml")
DEPLOYER = template_file.read(ROOT / "infra" / "deployer.yaml")
MONITORING = template_file.read(ROOT / "infra" / "monitoring.yaml")
ALARMS = [
    resource["Properties"]["AlarmName"]["Fn::Sub"].removeprefix("${Name}-")
    for resource in MONITORING["Resources"].values()
    if resource["Type"] == "AWS::CloudWatch::Alarm"
]


def sections(page: str, level: int) -> dict[str, str]:
    """Return each heading of a level with what stands below it, up to the next heading."""
    code = re.sub(r"^```.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL)
    parts = re.split(rf"^#{{{level}}} (.+)$|^#+ .+$", code, flags=re.MULTILINE)
    return {name: text for name, text in zip(parts[1::2], parts[2::2], strict=True) if name}


def test_the_guide_goes_by_day() -> None:
    assert list(sections(PAGES["operations.md"], 2)) == [
        "Before you begin",
        "Deploy",
        "The first day",
        "The first week: DNS, production access, warm",
        "Every month",
        "When an alarm comes",
        "Upgrades",
        "Now and then: keys, authors, restoring",
        "Leaving",
    ]


@pytest.mark.parametrize("alarm", ALARMS)
def test_every_alarm_has_a_section_that_says_what_it_means_and_what_to_do(alarm: str) -> None:
    text = sections(PAGES["operations.md"], 3)[f"`{alarm}`"].strip()

    assert len(text.splitlines()) >= 2, text


def test_every_alarm_that_is_explained_is_there() -> None:
    named = {name.strip("`") for name in sections(GUIDE, 3) if name.startswith("`")}

    assert named == set(ALARMS)


def test_every_link_to_a_section_leads_to_one() -> None:
    anchors = {
        page: {
            re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
            for level in (2, 3)
            for heading in sections(text, level)
        }
        for page, text in PAGES.items()
    }
    links = [
        (target or page, anchor)
        for page, text in PAGES.items()
        for target, anchor in re.findall(r"\]\((operations[\w-]*\.md)?#([\w-]+)\)", text)
    ]

    assert links
    for page, anchor in links:
        assert anchor in anchors[page], (page, anchor)


def test_every_section_that_the_doctor_names_is_there() -> None:
    checks = (ROOT / "operations" / "doctor").glob("*.py")
    named = {
        name
        for file in checks
        for name in re.findall(r"docs/operations\.md, “([^”]+)”", file.read_text())
    }

    assert named
    assert (
        named
        <= sections(PAGES["operations.md"], 2).keys() | sections(PAGES["operations.md"], 3).keys()
    )


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
    (section,) = re.findall(r"^## In a new region\n(.*?)^## ", GUIDE, re.MULTILINE | re.DOTALL)
    missing = set(re.findall(r"`([a-z]{2}-[a-z]+-\d)`", section))
    shipped = {file.stem for file in (LAYER / "database" / "certificates").glob("*.pem")}

    assert missing
    assert shipped
    assert not missing & shipped
