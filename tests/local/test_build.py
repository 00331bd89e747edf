from pathlib import Path

import pytest

from local import build


def _tree(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_overlay_replaces_dependencies_and_keeps_the_package(tmp_path: Path):
    layer, installed = tmp_path / "layer", tmp_path / "installed"
    for path, text in {
        layer / "broadsheet" / "settings.py": "ours",
        layer / "foreign" / "arm64.so": "arm64",
        layer / "both" / "module.so": "arm64",
        layer / "six.py": "arm64",
        installed / "both" / "module.so": "this machine",
        installed / "native" / "x.so": "this machine",
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    build.overlay(layer, installed)

    assert _tree(layer) == {
        "broadsheet/settings.py": "ours",
        "both/module.so": "this machine",
        "native/x.so": "this machine",
    }
    assert _tree(installed) == {"both/module.so": "this machine", "native/x.so": "this machine"}


def test_dependencies_are_installed_once_for_the_same_requirements(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(build, "CACHE", tmp_path / "cache")
    (tmp_path / "cache" / "layer").mkdir(parents=True)
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("# nothing is needed\n")
    log = tmp_path / "log"

    first = build.dependencies(requirements, log)
    (first / "mark").touch()
    again = build.dependencies(requirements, log)
    requirements.write_text("# nothing is needed any more\n")
    changed = build.dependencies(requirements, log)

    assert again == first
    assert changed != first
    assert not first.exists()


def test_a_failing_build_shows_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(build, "CACHE", tmp_path / "cache")
    template = tmp_path / "template.yaml"
    template.write_text("Resources: [")

    with pytest.raises(build.BuildError, match=r"(?s)sam build failed.*template"):
        build.build(tmp_path / "built", tmp_path / "log", template=template)


def test_each_function_of_a_built_template_names_itself_to_the_local_stack() -> None:
    built = "      Variables:\n        POWERTOOLS_SERVICE_NAME: deliver\n        X: y\n"

    assert build.with_app_ids(built) == (
        "      Variables:\n"
        "        POWERTOOLS_SERVICE_NAME: deliver\n"
        "        AWS_SDK_UA_APP_ID: !Sub ${AWS::StackName}-deliver\n"
        "        X: y\n"
    )


def test_only_the_package_is_deployed_and_dependencies_come_from_the_build() -> None:
    built = (
        "      Variables:\n        POWERTOOLS_SERVICE_NAME: deliver\n"
        "  CommonLayer:\n      ContentUri: CommonLayer\n      Description: a layer\n"
    )

    assert build.with_dependencies_of(Path("/built/CommonLayer/python"), built) == (
        "      Variables:\n        POWERTOOLS_SERVICE_NAME: deliver\n"
        '        PYTHONPATH: "/built/CommonLayer/python"\n'
        "  CommonLayer:\n      ContentUri: CommonPackage\n      Description: a layer\n"
    )
