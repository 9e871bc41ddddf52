"""pretrained: weights come from the folder, are tuned as asked, run without the folder, and no code of it is run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file
from torch import nn

from dlw.errors import RunError, UsageError
from dlw.models import pretrained
from dlw.specs import FieldSpec, OutputSpec
from dlw.verbs.evaluate import evaluate
from dlw.verbs.export import export
from dlw.verbs.predict import predict
from dlw.verbs.train import train
from tests.models.tiny_encoder import write_encoder
from tests.verbs.small_runs import sentences

RECIPE = """\
name: tuned
task: classification
data:
  source: sentences.csv
  splits: {train: "train[:70%]", validation: "train[70%:80%]", test: "train[80%:]"}
  inputs: {note: {type: text, tokenizer: ./encoder, max_length: 16}}
  target: {answer: category}
model: {type: pretrained, from: encoder, tune: TUNE}
train: {epochs: 1, batch_size: 16, threads: 1}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_encoder(tmp_path / "encoder")


def network(folder: Path, steps: int = 12, size: int | None = None, **options: Any) -> nn.Module:
    torch.manual_seed(0)
    settings = pretrained.Settings.model_validate({"from": str(folder), **options})
    known = json.loads((folder / "config.json").read_text())["vocab_size"]
    spec = FieldSpec("tokens", (steps,), "int32", ("note",), sizes=((size or known) + 1,), is_ragged=True)
    return pretrained.build(settings, {"note": spec}, OutputSpec("vector", 2))


@pytest.mark.parametrize("tune", ["full", "frozen", "lora"])
def test_weights_come_from_the_folder_and_learn_as_asked(folder: Path, tune: str) -> None:
    net = network(folder, tune=tune)
    assert "tensors from" in net.read_start()  # type: ignore[operator]
    other = network(folder, tune=tune)
    other.read_start()  # type: ignore[operator]
    batch = {"note": torch.tensor([[2, 5, 7, 0], [4, 0, 0, 0], [0, 0, 0, 0]], dtype=torch.int32)}
    torch.testing.assert_close(net.eval()(batch), other.eval()(batch))
    net.train()(batch).square().sum().backward()
    learning = {name for name, p in net.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert any(name.startswith("encoder") for name in learning) == (tune != "frozen")
    assert all("lora" in name for name in learning if name.startswith("encoder")) or tune == "full"
    longer = {"note": torch.nn.functional.pad(batch["note"], (0, 30))}
    torch.testing.assert_close(net.eval()(longer), net(batch), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("tune", ["full", "lora"])
def test_every_verb_runs_and_the_folder_may_go_after_training(folder: Path, tmp_path: Path, tune: str) -> None:
    inputs = sentences(tmp_path)
    Path("tuned.yaml").write_text(RECIPE.replace("TUNE", tune))
    run = Path(train(Path("tuned.yaml"), out=tmp_path / "run").run)
    shutil.rmtree(folder)
    assert evaluate(run).rows == 12
    bundle = export(run)
    assert bundle.difference < 1e-4
    answers = [predict(target, [str(inputs)]).columns for target in (run, bundle.folder)]
    assert list(answers[0]) == list(answers[1])
    assert answers[0]["label"] == answers[1]["label"]


@pytest.mark.withstands("security", case="X1")
def test_code_and_pickles_of_the_folder_are_refused(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModel": "evil.Model"}}))
    with pytest.raises(UsageError, match="auto_map, which asks for code"):
        network(folder)
    (folder / "config.json").write_text(json.dumps(config))
    net = network(folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(RunError, match="its weights cannot be read"):
        net.read_start()  # type: ignore[operator]
    (folder / "config.json").write_text("[1]")
    with pytest.raises(RunError, match="has no `model_type`"):
        pretrained.resolved(pretrained.Settings.model_validate({"from": str(folder)}))


@pytest.mark.withstands("security", case="X1")
def test_the_folder_is_looked_at_even_where_the_recipe_gives_the_architecture(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    net = network(folder, architecture=config)
    (folder / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModel": "evil.Model"}}))
    with pytest.raises(UsageError, match="auto_map, which asks for code"):
        net.read_start()  # type: ignore[operator]


@pytest.mark.withstands("security", case="X2")
@pytest.mark.parametrize("file", ["pytorch_model.bin", "../other/model.safetensors"])
def test_an_index_names_only_safetensors_beside_it(folder: Path, file: str) -> None:
    stored = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    (folder.parent / "other").mkdir()
    save_file(stored, folder / "../other/model.safetensors", {"format": "pt"})
    torch.save(stored, folder / "pytorch_model.bin")
    index = {"metadata": {"total_size": 1}, "weight_map": dict.fromkeys(stored, file)}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(RunError, match="only safetensors beside it are read"):
        network(folder).read_start()  # type: ignore[operator]


def test_weights_that_are_not_there_are_never_made_up(folder: Path) -> None:
    stored = load_file(folder / "model.safetensors")
    net = network(folder)
    whole = {"cls.predictions.bias": torch.zeros(3), **{f"bert.{name}": each for name, each in stored.items()}}
    save_file(whole, folder / "model.safetensors", {"format": "pt"})
    assert "tensors from" in net.read_start()  # type: ignore[operator]
    some = {name: each for name, each in stored.items() if "layer.0.output" not in name}
    for wrong in ({f"foo.{name}": each for name, each in stored.items()}, some):
        save_file(wrong, folder / "model.safetensors", {"format": "pt"})
        with pytest.raises(RunError, match="of the network's tensors are not in it"):
            net.read_start()  # type: ignore[operator]
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:500])
    with pytest.raises(RunError, match="its weights cannot be read"):
        net.read_start()  # type: ignore[operator]


@pytest.mark.parametrize(
    "wrong",
    [
        {"hidden_act": "nonsense"},
        {"hidden_size": "large"},
        {"model_type": "no_such_network"},
        {"model_type": "vit"},
        {"num_attention_heads": 3},
    ],
)
def test_an_architecture_that_cannot_be_built_is_refused(folder: Path, wrong: dict[str, Any]) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **wrong}))
    with pytest.raises(UsageError, match="model pretrained: "):
        network(folder)


def test_kernels_that_the_folder_asks_for_are_not_used(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "attn_implementation": "flash_attention_2"}))
    assert "tensors from" in network(folder).read_start()  # type: ignore[operator]


def test_a_tokenizer_of_its_own_means_nothing_to_the_network(folder: Path, tmp_path: Path) -> None:
    sentences(tmp_path)
    (tmp_path / "own.yaml").write_text(RECIPE.replace("./encoder", "words").replace("TUNE", "full"))
    with pytest.raises(UsageError, match="learns tokens of its own"):
        train(tmp_path / "own.yaml", out=tmp_path / "own")
    (tmp_path / "long.yaml").write_text(RECIPE.replace("max_length: 16", "max_length: 17").replace("TUNE", "full"))
    with pytest.raises(UsageError, match="texts of up to 17 steps, the network knows 16"):
        train(tmp_path / "long.yaml", out=tmp_path / "long")


def test_what_does_not_fit_is_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"`tokenizer: .*encoder` in the text field"):
        network(folder, size=5000)
    with pytest.raises(UsageError, match="write `max_length: 16`"):
        network(folder, steps=17)
    with pytest.raises(ValidationError, match="rank has no effect with tune: full"):
        network(folder, rank=4)
    with pytest.raises(ValidationError, match="has no `model_type`"):
        network(folder, architecture={})
    with pytest.raises(ValidationError, match="expected package:NAME"):
        pretrained.Settings.model_validate({"from": "package:../x"})
    with pytest.raises(UsageError, match="pip install no-such-thing"):
        pretrained.resolved(pretrained.Settings.model_validate({"from": "package:no_such_thing"}))
    out = network(folder, tune="lora", rank=2)({"note": torch.ones(1, 2, dtype=torch.int32)})
    assert torch.isfinite(out).all()
