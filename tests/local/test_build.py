import os
import subprocess
import sys
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


@pytest.fixture(scope="module")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    build.build(folder, folder.with_suffix(".log"))
    return folder / build.LAYER / "python"


def test_the_built_layer_holds_all_that_its_package_imports(layer: Path):
    """Alone: the emulator's functions see its own packages too, which hides what is missing."""
    import_all = """
import importlib, pkgutil, sys
sys.path.append(sys.argv[1])
import broadsheet
for module in pkgutil.walk_packages(broadsheet.__path__, "broadsheet."):
    importlib.import_module(module.name)
strangers = {
    name for name, module in sys.modules.items()
    if "site-packages" in (getattr(module, "__file__", None) or "")
}
assert not strangers, strangers
"""

    # -I and -S: no site-packages, no folder of this repository.
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", import_all, layer],
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "AWS_DEFAULT_REGION": "eu-central-1"},
    )

    assert run.returncode == 0, run.stderr


def test_the_layer_ships_no_tests_and_no_other_machines_code(layer: Path):
    names = [str(path.relative_to(layer)) for path in layer.rglob("*")]

    assert not [name for name in names if "aarch64" in name and os.uname().machine != "aarch64"]
    assert not [name for name in names if name.startswith(("broadsheet/test", "tests/"))]
