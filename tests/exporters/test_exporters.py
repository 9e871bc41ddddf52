"""Every exporter writes an artifact that opens again and answers like the network, whatever the number of rows."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dlw import registry
from dlw.errors import RunError
from dlw.exporters import _graph
from dlw.exporters._base import Artifact
from dlw.specs import Arrays
from tests.formats import each


class Predictor(nn.Module):
    """A picture, numbers with gaps and categories in; probabilities and a value out; two names for one weight."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.convolution = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.vectors = nn.Embedding(5, 4)
        self.last = nn.Linear(4 + 4 + 2, 3)
        self.same = self.last
        self.norm.running_mean.uniform_()
        self.to(memory_format=torch.channels_last)
        self.eval()

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return {"probabilities": [B, 3], "image": [B]}: an answer may be called like an input."""
        picture = self.norm(self.convolution(inputs["image"].float() / 255)).mean((2, 3))
        parts = [picture, self.vectors(inputs["category"]).mean(1), inputs["number"].nan_to_num()]
        out = self.same(torch.cat(parts, 1))
        return {"probabilities": out.softmax(1), "image": out.sum(1)}


def rows(count: int) -> Arrays:
    """Return random packed arrays."""
    random = np.random.default_rng(count)
    number = random.normal(size=(count, 2)).astype(np.float32)
    number[0, 0] = np.nan
    return {
        "image": random.integers(0, 256, (count, 3, 6, 6), dtype=np.uint8),
        "number": number,
        "category": random.integers(0, 5, (count, 2)),
    }


@dataclass(frozen=True)
class Written:
    """A predictor, its export, what the export answers, and the classes that pickle looked up meanwhile."""

    format: str
    folder: Path
    predictor: Predictor
    answer: Callable[[Arrays], Arrays]
    unpickled: list[str]


@pytest.fixture(scope="module")
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Written]:
    """A predictor exported to the format of the parameter and opened again."""
    unpickled: list[str] = []
    listening = [True]

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if listening and event == "pickle.find_class":
            unpickled.append(".".join(map(str, arguments)))

    sys.addaudithook(hook)
    format, folder = request.param, tmp_path_factory.mktemp("export")
    exporter = registry.load("exporters", format)
    predictor = Predictor()
    exporter.export(predictor, rows(4), folder, exporter.Settings())
    yield Written(format, folder, predictor, exporter.open_model(artifact(folder)), unpickled)
    listening.clear()


def artifact(folder: Path) -> Artifact:
    """Return what reads an export of Predictor."""
    return Artifact(
        read=lambda file: (folder / file).read_bytes(),
        inputs=("image", "number", "category"),
        answers=("probabilities", "image"),
        rebuild=partial(Predictor, seed=1),
        threads=1,
    )


@pytest.mark.parametrize("written", each(), indirect=True)
def test_artifact_answers_like_the_network(written: Written) -> None:
    assert {file.name for file in written.folder.iterdir()} == set(registry.load("exporters", written.format).FILES)
    predictor, answer = written.predictor, written.answer
    for count in (1, 2, 7):
        arrays = rows(count)
        with torch.no_grad():
            wanted = predictor({group: torch.from_numpy(array) for group, array in arrays.items()})
        answers = answer(arrays)
        assert list(answers) == list(wanted)
        spread = answer({group: np.repeat(array, 2, axis=1)[:, ::2] for group, array in arrays.items()})
        for key in wanted:
            np.testing.assert_allclose(answers[key], wanted[key].numpy(), atol=2e-6)
            np.testing.assert_allclose(spread[key], answers[key], atol=2e-6, err_msg="arrays with gaps between entries")


@pytest.mark.parametrize("name", registry.names("exporters"))
def test_plugin_states_its_contract(name: str) -> None:
    exporter = registry.load("exporters", name)
    assert exporter.REOPENS is None or "run code" in exporter.REOPENS or not exporter.FILES
    assert exporter.FILES or exporter.WRITER_FILES
    assert all(field.description for field in exporter.Settings.model_fields.values())


@pytest.mark.withstands("security", case="X10")
@pytest.mark.parametrize("written", each(), indirect=True)
def test_export_holds_no_path_of_this_machine(written: Written) -> None:
    for file in written.folder.iterdir():
        content = file.read_bytes()
        assert b"/exporters/" not in content
        assert str(Path(torch.__file__).parent).encode() not in content


class Reshaping(nn.Module):
    """Answers for two rows at a time only."""

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return {"value": [B, 2]} for B = 2."""
        return {"value": inputs["number"].reshape(2, 2)}


class Folding(nn.Module):
    """Answers one row, however many there are."""

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return {"value": [1, 2]}."""
        return {"value": inputs["number"].sum(0, keepdim=True)}


@pytest.mark.parametrize("network", [Reshaping(), Folding()])
def test_network_tied_to_a_number_of_rows_is_refused(network: nn.Module) -> None:
    with pytest.raises(RunError, match="rows"):
        _graph.trace(network, {"number": np.zeros((2, 2), np.float32)})


@pytest.mark.withstands("security", case="X10")
def test_onnx_refuses_weights_in_other_files(tmp_path: Path) -> None:
    import onnx

    exporter = registry.load("exporters", "onnx")
    exporter.export(Predictor(), rows(2), tmp_path, exporter.Settings())
    path = tmp_path / "model.onnx"
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location="secret.bin", size_threshold=0)
    with pytest.raises(RunError, match="another file"):
        exporter.open_model(artifact(tmp_path))


@pytest.mark.parametrize("content", [b"\xff" * 40, b"GIF89a", b"\x3a\xff\xff\xff\x7f", b"\x0b\x00"])
def test_onnx_refuses_bytes_that_are_no_model(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(RunError, match="not an ONNX model"):
        registry.load("exporters", "onnx").open_model(artifact(tmp_path))


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"last.weight": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(RunError, match="does not fit"):
        registry.load("exporters", "safetensors").open_model(artifact(tmp_path))


@pytest.mark.withstands("security", case="X2")
@pytest.mark.parametrize("written", each(), indirect=True)
def test_nothing_is_pickled(written: Written) -> None:
    written.answer(rows(2))
    assert written.unpickled == []
