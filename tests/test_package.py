from __future__ import annotations

import ast
import subprocess
import sys
from importlib.metadata import metadata, requires
from pathlib import Path

import pytest

import songscore

STUB = Path(songscore.__file__).with_suffix(".pyi")
HEAVY = {"numpy", "scipy", "sklearn", "numba", "librosa", "torch", "soundfile", "matplotlib", "rich"}


def modules_after(statement: str) -> set[str]:
    """The modules that a fresh process has loaded after the statement."""
    program = f"{statement}; import sys; print(*sys.modules)"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(answer.stdout.split())


def stub_imports() -> dict[str, str]:
    return {
        alias.name: node.module or ""
        for node in ast.parse(STUB.read_text()).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def stub_all() -> list[str]:
    """`__all__` as the stub spells it."""
    for node in ast.parse(STUB.read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(target := node.targets[0], ast.Name) and target.id == "__all__":
            return list(ast.literal_eval(node.value))
    raise AssertionError(f"no __all__ in {STUB}")


def test_the_stub_and_the_runtime_list_the_same_names() -> None:
    assert songscore.__all__ == sorted(stub_imports()) == stub_all()


def test_the_stub_and_the_runtime_take_each_name_from_the_same_module() -> None:
    assert {name: f"songscore.{module}" for name, module in songscore._MODULE_OF.items()} == stub_imports()


@pytest.mark.parametrize("name", songscore.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    assert getattr(songscore, name).__doc__
    assert name in dir(songscore)


def test_the_version_is_that_of_the_distribution() -> None:
    assert songscore.__version__ == metadata("songscore")["Version"]


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'songscore' has no attribute 'clasify_track'"):
        _ = songscore.clasify_track


@pytest.mark.processes
def test_importing_the_package_loads_nothing_heavy() -> None:
    assert not modules_after("import songscore") & HEAVY


@pytest.mark.processes
def test_naming_the_main_function_loads_no_learning_library() -> None:
    loaded = modules_after("from songscore import classify_track")
    assert not loaded & {"sklearn", "torch", "numba", "librosa", "matplotlib"}


@pytest.mark.processes
def test_a_label_needs_no_scipy(album: Path) -> None:
    label = f"import songscore; assert songscore.classify_track({str(album / '02 End Credits.flac')!r}).label"
    assert "scipy" not in modules_after(label)


@pytest.mark.processes
def test_a_label_needs_neither_librosa_nor_numba(album: Path) -> None:
    """Nor do a run of many files, the features of the voice, and the command line."""
    song = album / "02 End Credits.flac"
    label = f"import songscore; assert songscore.classify_track({str(song)!r}).label"
    voice = f"songscore.extract_features({str(song)!r}, sets=['vocal'])"
    run = "import songscore.batch.worker, songscore.batch.table, songscore.cli.label, songscore.estimators"
    assert not modules_after(f"{label}; {voice}; {run}") & {"librosa", "numba", "llvmlite", "matplotlib"}


@pytest.mark.processes
def test_labelling_never_imports_training() -> None:
    assert "songscore.training" not in modules_after("import songscore.batch.run, songscore.cli")


def test_pytorch_is_no_requirement_of_the_package() -> None:
    required = [line for line in requires("songscore") or [] if "extra ==" not in line]
    assert any(line.startswith("numpy") for line in required)
    assert not any(line.startswith(("torch", "tensorflow", "onnx")) for line in required)
