from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_wheel_holds_the_plugin_and_the_model_alone(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", tmp_path, ROOT],
        check=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
        assert any(name.endswith("licenses/NOTICE") for name in archive.namelist())
    assert {name.split("/")[0] for name in names} == {"beetsplug", "genremodel"}
    assert "beetsplug/__init__.py" not in names, "beetsplug is a namespace package"
    assert {
        "beetsplug/genreclf/__init__.py",
        "beetsplug/genreclf/genres/families.yaml",
        "genremodel/assets/musicnn.onnx",
    } <= set(names)
