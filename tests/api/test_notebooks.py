"""The notebooks of the documentation run from the first cell to the last; --update-golden stores what they show."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="notebooks need nbclient and ipykernel: pip install 'seamount[dev]'")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("snntorch")
pytest.importorskip("sklearn")

DOCS = Path(__file__).parents[2] / "docs"
NOTEBOOKS = sorted(DOCS.rglob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_runs(path: Path, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    stored = [shown(cell) for cell in notebook.cells if cell.cell_type == "code"]
    client = nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    found = [shown(cell) for cell in notebook.cells if cell.cell_type == "code"]
    assert not any("error" in cell for cell in found)
    if request.config.getoption("--update-golden"):
        for cell in notebook.cells:
            cell.get("metadata", {}).pop("execution", None)
        nbformat.write(notebook, path)
        return
    assert found == stored, "run with --update-golden and review the notebook"


def shown(cell: object) -> list[str]:
    """Kinds of output of a cell: text, html, pictures, errors; numbers depend on the machine."""
    outputs = cell.outputs  # type: ignore[attr-defined]
    kinds = [sorted(o.get("data", {})) or [o.output_type] for o in outputs if o.output_type != "stream"]
    return [kind for found in kinds for kind in found]


def test_there_are_notebooks_with_outputs() -> None:
    assert NOTEBOOKS
    for path in NOTEBOOKS:
        cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
        assert any(c.outputs for c in cells), f"{path.name} was never executed"
        assert not re.search(r"/(?:home|root|work|tmp)/\w", path.read_text(encoding="utf-8")), path.name
