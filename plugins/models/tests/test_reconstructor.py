import importlib.util
import pickle
import re
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto
from torch import Tensor, nn

from hepreco import ReconstructionProcessor
from hepreco.errors import ConfigError, HepRecoError, PluginError, WeightsError
from hepreco.events import EventBatch, ObjectSpec
from hepreco.kinematics import eta, phi, pt
from hepreco.plugin import Axis, discover
from hepreco.testing import toy_batch
from hepreco_models import Case, Feature, ModelInput, ModelOutput, ModelReconstructor
from hepreco_models.files import BLOCK
from hepreco_models.reconstructor import EXAMPLE

from .conftest import INPUTS, JETS, TABLE, build, by_hand

#: Single against double precision, of sums of fifteen numbers up to some hundreds.
SINGLE = {"rtol": 1e-4, "atol": 1e-3}


class Product(nn.Module):
    """The same matrix product in torch."""

    def __init__(self, matrix: np.ndarray) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.from_numpy(matrix))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight


def scores(plugin: ModelReconstructor, batch: EventBatch) -> Tensor:
    plugin.setup("cpu")
    return plugin.reconstruct(batch)["score"]


@pytest.mark.parametrize("events", ["n", 1, 7], ids=["any number", "one", "seven"])
def test_onnx_agrees_with_the_slow_formula(
    write_onnx: Callable[..., Path], batch: EventBatch, matrix: np.ndarray, events: str | int
) -> None:
    found = scores(build(TABLE, write_onnx(events=events)), batch)
    np.testing.assert_allclose(found.numpy(), by_hand(batch, matrix)[:, 1], **SINGLE)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("suffix", [".pt", ".ts", ".pt2"])
def test_torch_agrees_with_the_slow_formula(batch: EventBatch, matrix: np.ndarray, tmp_path: Path, suffix: str) -> None:
    path, network = tmp_path / f"model{suffix}", Product(matrix)
    if suffix == ".pt2":
        events = torch.export.Dim("events")
        torch.export.save(torch.export.export(network, (torch.ones(2, 15),), dynamic_shapes=({0: events},)), path)
    else:
        torch.jit.trace(network, torch.ones(2, 15)).save(str(path))
    before = torch.get_num_threads()
    found = scores(build(TABLE, path), batch)
    np.testing.assert_allclose(found.numpy(), by_hand(batch, matrix)[:, 1], **SINGLE)
    assert torch.get_num_threads() == before


def with_trees(table: dict[str, Any], pad: str | float = "nan") -> dict[str, Any]:
    """Two inputs, side by side, and missing values."""
    jets = {**table["tensors"][0], "pad": pad, "dtype": "float64"}
    event = {"name": "event", "features": ["PuppiMET.pt", "Jet[1].pt", "len(Jet)"], "pad": pad, "dtype": "float64"}
    return {**table, "tensors": [jets, event], "columns": [{"column": "score"}]}


def training(batch: EventBatch) -> tuple[np.ndarray, np.ndarray]:
    """The features of the trees, and a label that depends on them."""
    spec = ModelReconstructor(**_values(with_trees(TABLE)), file="x.txt").tensors
    features = np.concatenate([each.tensor(batch)[0].numpy() for each in spec], axis=1)
    return features, (np.nan_to_num(features[:, 0]) > 100).astype(float)


def _values(table: dict[str, Any]) -> dict[str, Any]:
    built = build(table, Path("x.txt"))
    return {"collections": built.collections, "tensors": built.tensors, "columns": built.columns}


def test_lightgbm_agrees_with_its_own_prediction(batch: EventBatch, tmp_path: Path) -> None:
    features, label = training(batch)
    assert np.isnan(features).any()
    options = {"objective": "binary", "verbose": -1, "num_threads": 1}
    booster = lightgbm.train(options, lightgbm.Dataset(features, label), num_boost_round=5)
    booster.save_model(tmp_path / "trees.txt")
    found = scores(build(with_trees(TABLE), tmp_path / "trees.txt"), batch)
    np.testing.assert_array_equal(found.numpy(), booster.predict(features))
    assert len(found.unique()) > 1


@pytest.mark.parametrize("suffix", [".json", ".ubj"])
def test_xgboost_agrees_with_its_own_prediction(batch: EventBatch, tmp_path: Path, suffix: str) -> None:
    xgboost = pytest.importorskip("xgboost", reason="is built for Linux")
    features, label = training(batch)
    options = {"objective": "multi:softprob", "num_class": 2, "nthread": 1}
    booster = xgboost.train(options, xgboost.DMatrix(features, label), num_boost_round=5)
    booster.save_model(tmp_path / f"trees{suffix}")
    table = with_trees(TABLE) | {"columns": [{"column": "score", "component": 1}]}
    found = scores(build(table, tmp_path / f"trees{suffix}"), batch)
    np.testing.assert_array_equal(found.numpy(), booster.predict(xgboost.DMatrix(features))[:, 1].astype(float))


@pytest.mark.parametrize("size", [1, 7, BLOCK, BLOCK + 1])
def test_any_chunk_size_gives_the_same_bits(write_onnx: Callable[..., Path], batch: EventBatch, size: int) -> None:
    plugin = build(TABLE, write_onnx())
    pieces = [scores(plugin, batch[start : start + size]) for start in range(0, len(batch), size)]
    assert torch.equal(torch.cat(pieces), scores(plugin, batch))


def test_the_options_shape_the_tensors(batch: EventBatch) -> None:
    """Each against the batch itself."""
    table = {
        "collections": [JETS, {"collection": "Muon", "features": ["charge"]}],
        "tensors": [
            {"name": "a", "collection": "Jet", "objects": 3, "features": ["energy", "px", "mask"], "pad": -9.0},
            {"name": "b", "collection": "Jet", "objects": 3, "features": ["energy", "mask"], "axes": "feature object"},
            {"name": "c", "collection": ["Jet", "Muon"], "objects": 4, "axes": "flat", "dtype": "int64",
             "features": [{"cases": [{"collection": "Jet", "value": 1}, {"collection": "Muon", "value": 3},
                                     {"collection": "Muon", "value": 4, "where": ["charge < 0", "|eta| < 9"]}]}]},
            {"name": "d", "features": [{"name": "PuppiMET.pt", "log": True, "offset": 1.0, "factor": 3.0},
                                       "PuppiMET.px", "PuppiMET.phi", "len(Muon)", "Jet[0].pt", "Muon[2].charge"]},
        ],
        "columns": [{"column": "score"}],
    }  # fmt: skip
    plugin = build(table, Path("x.onnx"))
    batch = toy_batch(plugin.inputs, events=50)
    a, b, c, d = (each.tensor(batch)[0] for each in plugin.tensors)
    jets, muons = batch.collection("Jet").padded(3), batch.collection("Muon").padded(3)
    held = jets.mask[:, :3]
    assert torch.equal(a[..., 0], torch.where(held, jets.momenta[:, :3, 0], -9.0).float())
    assert torch.equal(a[..., 2], torch.where(held, 1.0, -9.0))
    assert torch.equal(b, torch.where(held[..., None], a[..., [0, 2]], 0.0).transpose(1, 2))
    assert c.dtype == torch.int64
    assert c.shape == (50, 4)
    event = next(i for i in range(50) if muons.mask[i].any() and jets.mask[i].sum() + muons.mask[i].sum() <= 4)
    listed = [(float(p[1:3].norm()), 1) for p, m in zip(jets.momenta[event], jets.mask[event], strict=True) if m]
    for p, m, q in zip(muons.momenta[event], muons.mask[event], muons.features["charge"][event], strict=True):
        listed += [(float(p[1:3].norm()), 4 if q < 0 else 3)] if m else []
    expected = [kind for _, kind in sorted(listed, reverse=True)]
    assert c[event].tolist() == expected + [0] * (4 - len(expected))
    missing = batch.missing_momentum
    torch.testing.assert_close(d[:, 0].double(), 3 * (missing.norm(dim=1).log() - 1), rtol=1e-6, atol=1e-6)
    assert torch.equal(d[:, 1], missing[:, 0].float())
    torch.testing.assert_close(d[:, 2].cos().double(), missing[:, 0] / missing.norm(dim=1), rtol=1e-5, atol=1e-6)
    assert torch.equal(d[:, 3].long(), muons.mask.sum(dim=1))
    assert torch.equal(d[:, 4], jets.momenta[:, 0, 1:3].norm(dim=1).float())
    assert torch.equal(d[:, 5], torch.where(muons.mask[:, 2], muons.features["charge"][:, 2], 0.0).float())


def test_a_column_of_objects_follows_them(batch: EventBatch, tmp_path: Path) -> None:
    """The model says η of each of the three leading jets; the others have none."""
    path = tmp_path / "eta.pt2"
    events = torch.export.Dim("events")
    torch.export.save(torch.export.export(nn.Sigmoid(), (torch.ones(2, 3, 2),), dynamic_shapes=({0: events},)), path)
    table = {
        "collections": [JETS],
        "tensors": [{"name": "x", "collection": "Jet", "objects": 3, "features": ["pt", "eta"]}],
        "columns": [{"column": "score", "per": "Jet", "component": 1}],
    }
    plugin = build(table, path)
    batch = toy_batch(plugin.inputs, events=20)
    order = torch.randperm(batch.mask.shape[1], generator=torch.Generator().manual_seed(1))
    shuffled = replace(
        batch, **{name: getattr(batch, name)[:, order] for name in ("momenta", "mask", "species", "index")}
    )
    found, follows = scores(plugin, batch), scores(plugin, shuffled)
    eta = torch.asinh(batch.momenta[..., 3] / batch.momenta[..., 1:3].norm(dim=-1))
    held = batch.mask & (torch.arange(batch.mask.shape[1]) < 3)
    torch.testing.assert_close(found[held], eta[held].sigmoid(), rtol=1e-6, atol=1e-6)
    assert found[~held].isnan().all()
    torch.testing.assert_close(follows[shuffled.mask], found[:, order][shuffled.mask], equal_nan=True, rtol=0, atol=0)


def test_a_number_without_logarithm_is_no_answer(write_onnx: Callable[..., Path]) -> None:
    tensors = [{**TABLE["tensors"][0], "features": ["pt", "eta", {"name": "btagDeepFlavB", "log": True}]}]
    plugin = build({**TABLE, "tensors": tensors}, write_onnx())
    batch = toy_batch(INPUTS, events=10)
    batch.features["btagDeepFlavB"][3, 0] = -1.0
    assert scores(plugin, batch).isnan().tolist() == [event == 3 for event in range(10)]


def changed(place: str, **values: Any) -> dict[str, Any]:
    return {**TABLE, place: [{**TABLE[place][0], **values}]}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (changed("tensors", name="y"), r"inputs named y, of a model whose inputs are x"),
        (changed("tensors", objects=4), r"shape \(event, 12\), the model takes \(event, 15\)[\s\S]*count"),
        (changed("tensors", axes="object feature"), r"shape \(event, 5, 3\), the model takes \(event, 15\)"),
        (changed("tensors", dtype="float64"), r"is float64, the model takes float32[\s\S]*dtype = \"float32\""),
        (changed("columns", output="z"), r"no output 'z' for the column 'score'[\s\S]*its outputs are 'y'"),
        (changed("columns", component=2), r"component = 2, of an output of shape \(event, 2\)"),
        (changed("columns", component=()), r"no component, of an output of shape \(event, 2\)[\s\S]*1 last axes"),
        (changed("tensors", collection="Muon"), r"'x' is of 'Muon', which is not among the collections"),
        (changed("tensors", objects=0), r"collection = 'Jet' and objects = 0"),
        (changed("tensors", features=[]), "has no features"),
        (changed("tensors", features=["Jet[0].pt"]), r"the feature 'Jet\[0\].pt'"),
        (changed("tensors", features=[{"log": True}]), "give one"),
        (changed("tensors", collection=[], objects=0, features=["Jet.pt"]), r"Jet.pt is a list[\s\S]*Jet\[0\].pt"),
        (changed("tensors", collection=[], objects=0, features=["PV.npvs"]), r"PV.npvs is not a feature of the event"),
        (changed("tensors", collection=[], objects=0, features=["MET.pt", "PuppiMET.pt"]), "choose one missing"),
        (changed("tensors", dtype="int64", pad=float("nan")), "padded with NaN"),
        (changed("columns", per="Muon"), "per Muon, of which no input is made"),
        (changed("columns", axs={}), "did you mean 'axis'"),
        ({**TABLE, "columns": []}, "models: no columns"),
        ({**TABLE, "columns": TABLE["columns"] * 2}, "are named 'column score'"),
    ],
)
def test_what_does_not_fit_is_said(write_onnx: Callable[..., Path], table: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(table, write_onnx()).setup("cpu")


def test_a_configuration_is_what_python_says() -> None:
    kinds = {"cases": [{"collection": "Jet", "value": 2, "where": ["btagDeepFlavB > 0.3"]}], "factor": 2}
    table = {
        "collections": [JETS],
        "tensors": [{"name": "x", "collection": "Jet", "objects": 5, "features": ["pt", kinds]}],
        "columns": [{"column": "score", "component": [0, 1], "axis": {"bins": 10, "start": 0, "stop": 1}}],
    }
    tagged = Feature(cases=(Case("Jet", 2, ("btagDeepFlavB > 0.3",)),), factor=2)
    written = ModelReconstructor(
        file="x.onnx",
        collections=(ObjectSpec("Jet", ("pt > 30",), at_least=1),),
        tensors=(ModelInput("x", ("pt", tagged), "Jet", 5),),
        columns=(ModelOutput("score", component=(0, 1), axis=Axis(10, 0, 1)),),
    )
    assert build(table, Path("x.onnx")) == written
    assert written.inputs.objects[0].features == ("btagDeepFlavB",)


def test_options_without_a_file() -> None:
    with pytest.raises(ConfigError, match="models: no file"):
        ModelReconstructor(**_values(TABLE))


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        ("absent.onnx", None, WeightsError, r"cannot read .*absent.onnx: No such file[\s\S]*as workers see it"),
        ("model.h5", b"", ConfigError, r"model.h5 is no file of a model[\s\S]*ends in .onnx"),
        ("model.onnx", b"nonsense", WeightsError, "model.onnx cannot be loaded"),
        ("model.pt", b"nonsense", WeightsError, r"model.pt cannot be loaded[\s\S]*state_dict"),
        ("model.pt2", b"nonsense", WeightsError, "model.pt2 cannot be loaded"),
        ("model.txt", b"nonsense", WeightsError, "model.txt cannot be loaded"),
    ],
)
def test_files_that_are_no_models(
    tmp_path: Path, name: str, content: bytes | None, error: type[HepRecoError], message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(error, match=message):
        build(TABLE, tmp_path / name).setup("cpu")


@pytest.mark.parametrize(
    ("suffix", "library", "extra"),
    [(".onnx", "onnxruntime", "onnx"), (".json", "xgboost", "xgboost"), (".txt", "lightgbm", "lightgbm")],
)
def test_what_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, library: str, extra: str
) -> None:
    (tmp_path / f"model{suffix}").write_bytes(b"any")
    monkeypatch.setitem(__import__("sys").modules, library, None)
    with pytest.raises(ConfigError, match=rf"{library} is not installed[\s\S]*pip install 'hepreco-models\[{extra}\]'"):
        build(TABLE, tmp_path / f"model{suffix}").setup("cpu")


def test_trees_of_other_features(batch: EventBatch, tmp_path: Path) -> None:
    features, label = training(batch)
    options = {"objective": "binary", "verbose": -1, "num_threads": 1}
    lightgbm.train(options, lightgbm.Dataset(features[:, :15], label), 1).save_model(tmp_path / "trees.txt")
    with pytest.raises(ConfigError, match="18 features for trees of 15"):
        build(with_trees(TABLE), tmp_path / "trees.txt").setup("cpu")


class Quotient(nn.Module):
    """NaN where there are no five jets."""

    def forward(self, x: Tensor) -> Tensor:
        return (x[:, :1] / x[:, :1]) * (x[:, 12:13] / x[:, 12:13])


def test_a_model_that_gives_nan(tmp_path: Path, batch: EventBatch) -> None:
    path, events = tmp_path / "model.pt2", torch.export.Dim("events")
    torch.export.save(torch.export.export(Quotient(), (torch.ones(2, 15),), dynamic_shapes=({0: events},)), path)
    plugin = build({**TABLE, "columns": [{"column": "score"}]}, path)
    plugin.setup("cpu")
    with pytest.raises(PluginError, match=r"gives nan for the column 'score'[\s\S]*scale its inputs"):
        plugin.reconstruct(batch)


def test_another_file_is_another_result(write_onnx: Callable[..., Path], batch: EventBatch) -> None:
    path = write_onnx()
    plugin = build(TABLE, path)
    before, first = ReconstructionProcessor({"mine": plugin}), scores(plugin, batch)
    said, known = before.provenance["plugins"]["mine"]["weights"], before.fingerprint
    path.write_bytes(EXAMPLE.read_bytes())
    assert ReconstructionProcessor({"mine": plugin}).fingerprint != known
    write_onnx()  # again, in its place
    assert ReconstructionProcessor({"mine": plugin}).fingerprint == known
    assert ReconstructionProcessor({"mine": plugin}).provenance["plugins"]["mine"]["weights"] == said
    assert torch.equal(scores(plugin, batch), first)


def test_a_file_that_has_changed_is_loaded_again(write_onnx: Callable[..., Path], batch: EventBatch) -> None:
    path = write_onnx()
    plugin = build(TABLE, path)
    first = scores(plugin, batch)
    model = onnx.load(path)
    model.graph.initializer[0].CopyFrom(
        onnx.numpy_helper.from_array(2 * onnx.numpy_helper.to_array(model.graph.initializer[0]), "w")
    )
    onnx.save_model(model, path)
    assert torch.equal(scores(plugin, batch), 2 * first)


def test_an_input_of_another_type(write_onnx: Callable[..., Path], batch: EventBatch, matrix: np.ndarray) -> None:
    plugin = build(changed("tensors", dtype="float64"), write_onnx(dtype=TensorProto.DOUBLE))
    np.testing.assert_allclose(scores(plugin, batch).numpy(), by_hand(batch, matrix)[:, 1], **SINGLE)


def test_it_travels_as_a_value(write_onnx: Callable[..., Path]) -> None:
    plugin = build(with_trees(TABLE, float("nan")), write_onnx())
    copy = pickle.loads(pickle.dumps(plugin))
    assert copy == plugin
    assert hash(copy) == hash(plugin)
    assert plugin.tensors[0].pad == "nan"


def test_the_example_is_as_by_hand() -> None:
    plugin = ModelReconstructor()
    batch = toy_batch(plugin.inputs, events=50)
    first, bias, second = (
        torch.from_numpy(onnx.numpy_helper.to_array(each).copy()).double()
        for each in onnx.load(EXAMPLE).graph.initializer[:3]
    )
    jets = batch.objects_ordered_by(pt(batch.momenta), at_most=4)
    columns = (pt(jets.momenta).log() - 4, eta(jets.momenta), phi(jets.momenta), jets.features["btagDeepFlavB"])
    hidden = torch.tanh(torch.stack(columns, dim=-1) @ first + bias)
    summed = torch.where(jets.mask[..., None], hidden, 0.0).sum(dim=1)
    event = torch.stack((batch.missing_momentum.norm(dim=-1) / 100, batch.mask.sum(dim=1)), dim=-1)
    expected = torch.softmax(torch.cat((summed, event), dim=1) @ second, dim=-1)[:, 1]
    np.testing.assert_allclose(scores(plugin, batch).numpy(), expected.numpy(), rtol=1e-4)


def test_the_example_is_what_its_script_writes() -> None:
    script = Path(__file__).parents[1] / "make_example.py"
    spec = importlib.util.spec_from_file_location("make_example", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.example() == onnx.load(EXAMPLE)
    assert EXAMPLE.stat().st_size < 3000


def test_the_configurations_of_its_page_are_understood() -> None:
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "run-your-model.md").read_text()
    tables = [tomllib.loads(block)["plugins"] for block in re.findall(r"^```toml\n(.*?)^```", page, re.M | re.S)]
    assert [name for table in tables for name in table] == ["tagger", "trees", "kinds"]
    for table in tables:
        for options in table.values():
            assert options.pop("plugin") == "models"
            discover()["models"].build(options)
