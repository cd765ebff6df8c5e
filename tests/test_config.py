"""The configuration file: what is wrong is said in words, with the nearest right key and the page."""

import os
from pathlib import Path

import pytest
import uproot
from ready import python

from hepreco.config import PAGE, read_config
from hepreco.errors import ConfigError
from hepreco.histograms import read_histograms


@pytest.fixture
def config(tmp_path):
    def write(text: str | bytes) -> Path:
        path = tmp_path / "analysis.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("luminosty = 1.0", r"unknown key 'luminosty' \(did you mean 'luminosity'\?\)"),
        ("[datasets.a]\ncross_setcion = 1.0", r"did you mean 'cross_section'\?\) at datasets\['a'\]"),
        ('[datasets.a]\nfiles = "a.root"', r"'a.root' is not a list: write \['a.root'\] at datasets\['a'\].files"),
        ("[datasets.a.sample]\nprocess = 'bbbar'", "a required key is missing at datasets.*sample.events"),
        ('[[selection]]\nname = "a"\ncolection = "Jet"', "did you mean 'collection'"),
        ('[[selection]]\nname = "a"\nfuncton = "b:c"', "did you mean 'function'"),
        ('[selection]\nname = "a"', "is not a list: write the name of the table in double brackets at selection"),
        ("[[datasets]]", "a value where a table is expected at datasets"),
        (
            '[[histograms]]\nname = "a"\ncolumns = ["Jet.pt"]\naxis = { bins = 2, start = 1, stop = 2, spacing="lg" }',
            r"'lg' is not one of 'linear', 'log' \(did you mean 'log'\?\) at histograms\[0\].axis.spacing",
        ),
        ('[[rocs]]\nhistogram = "a"\nsignal = "b"\nbackground = "c"\nhigher_is_signal = 1', "1 is not a bool"),
        ('[[mass_peaks]]\nhistogram = "a"\ndataset = "b"\nwindow = [1, 2, 3]', "has 3 entries, expected 2"),
        (f"luminosity = {10**400}", "an integer of 1329 bits is too large to compute with at luminosity"),
        ("luminosity = nan", "luminosity is nan"),
        ("luminosity = -1.0", "luminosity is -1"),
    ],
)
def test_what_is_wrong_is_said_in_words(config, text, message):
    with pytest.raises(ConfigError, match=message) as refused:
        read_config(config(text))
    assert "typing" not in str(refused.value)
    assert "hepreco.processing" not in str(refused.value)
    if "luminosity is" not in message:
        assert PAGE in refused.value.remedy


def test_the_page_exists():
    assert (Path(__file__).parents[1] / PAGE).is_file()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"luminosity = 1.0 # \xe9", "byte 20 is not UTF-8"),
        (b"a = " + b"[" * 100_000, "nests tables or lists more than 50 deep"),
        (b"a = " + b"[" * 60 + b"]" * 60, "nests tables or lists more than 50 deep"),
        (b".".join([b"a"] * 5000) + b" = 1", "nests tables or lists more than 50 deep"),
        (b"a = " + b"[" * 49 + b"]" * 49, "unknown key 'a'"),
        (b"\x00", "is not TOML"),
        (b"a = '" + b"x" * 1_000_000 + b"'", "unknown key 'a'"),
        (b"luminosity = '" + b"x" * 1_000_000 + b"'", "is not a float"),
    ],
    ids=["latin-1", "open lists", "lists", "dotted", "fifty levels", "zero", "long value", "long misfit"],
)
def test_a_file_of_any_shape_is_one_message(config, text, message):
    with pytest.raises(ConfigError, match=message) as refused:
        read_config(config(text))
    assert len(str(refused.value)) < 3000


def test_a_byte_order_mark_is_passed_over(config):
    assert read_config(config(b"\xef\xbb\xbfluminosity = 2.0")).luminosity == 2.0


def test_a_directory_or_nothing_is_refused(tmp_path):
    reasons = ("Is a directory", "No such file or directory", "embedded null byte")
    for path, reason in zip((tmp_path, tmp_path / "nowhere.toml", Path("\0")), reasons, strict=True):
        with pytest.raises(ConfigError, match=f"cannot read .*: {reason}"):
            read_config(path)


def test_files_of_datasets_are_beside_the_configuration(config, tmp_path):
    dataset = read_config(config('[datasets.a]\nfiles = ["b.root", "/c.root", "root://d//e.root"]')).datasets["a"]
    assert dataset.files == (str(tmp_path / "b.root"), "/c.root", "root://d//e.root")
    assert dataset.certified == ""


def test_a_study_of_an_unknown_histogram_is_refused(config):
    text = (
        '[plugins.chi2-assigner]\n[[mass_peaks]]\nhistogram = "chi2_assigner.top.mas"\ndataset = "a"\nwindow = [1, 2]'
    )
    with pytest.raises(ConfigError, match=r"'chi2_assigner\.top\.mas', which is not filled") as refused:
        read_config(config(text)).check_studies()
    assert "did you mean 'chi2_assigner.top.mass'?" in refused.value.remedy


def test_default_and_own_histograms_are_known(config):
    analysis = read_config(
        config(
            '[plugins.chi2-assigner]\n[[histograms]]\nname = "score"\ncolumns = ["Jet.pt"]\n'
            "axis = { bins = 2, start = 1, stop = 2 }\n"
            '[[rocs]]\nhistogram = "score"\nsignal = "a"\nbackground = "b"\n'
            '[[mass_peaks]]\nhistogram = "chi2_assigner.w.mass"\ndataset = "a"\nwindow = [1, 2]'
        )
    )
    analysis.check_studies()
    with pytest.raises(ConfigError, match="'score'"):
        analysis.check_studies(["cutflow", "chi2_assigner.w.mass"])


def test_two_tables_for_one_field_are_refused(config):
    text = '[plugins.a-b]\nplugin = "chi2-assigner"\n[plugins.a_b]\nplugin = "autoencoder"'
    with pytest.raises(ConfigError, match=r"two tables of plugins would fill events\.a_b"):
        read_config(config(text)).reconstructors()
    with pytest.raises(ConfigError, match="names the plugin 3"):
        read_config(config("[plugins.a]\nplugin = 3")).reconstructors()


CUT = '[[selection]]\nname = "mine"\nfunction = "{}"\n'


def test_a_function_may_stand_beside_the_file(config, tmp_path):
    (tmp_path / "beside_one.py").write_text(
        "import beside_two\ndef central(events):\n    return beside_two.mask(events)\n"
    )
    (tmp_path / "beside_two.py").write_text("def mask(events):\n    return events.x > 0\n")
    (cut,) = read_config(config(CUT.format("beside_one:central"))).selection
    import awkward as ak  # noqa: PLC0415  as late as it can

    assert cut(ak.Array([{"x": 1}, {"x": -1}])).tolist() == [True, False]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (None, "there is no module 'failing_{}'"),
        ("raise SystemExit(0)", "cannot be imported: SystemExit: 0"),
        ("def (", "cannot be imported: SyntaxError"),
        ("import no_such_library", "cannot be imported: ModuleNotFoundError: No module named 'no_such_library'"),
        ("raise KeyboardInterrupt", "cannot be imported: KeyboardInterrupt"),
    ],
)
def test_a_module_that_fails_is_named(config, tmp_path, code, message):
    name = f"failing_{abs(hash(code))}"
    if code is not None:
        (tmp_path / f"{name}.py").write_text(code)
    with pytest.raises(ConfigError, match=f"cut 'mine': .*{message.format(name.removeprefix('failing_'))}"):
        read_config(config(CUT.format(f"{name}:f")))


def test_a_module_that_another_one_hides_is_refused(config, tmp_path):
    (tmp_path / "json.py").write_text("def dumps(events):\n    return events.x > 0\n")
    with pytest.raises(ConfigError, match="another module named 'json' is found before") as refused:
        read_config(config(CUT.format("json:dumps")))
    assert "rename json.py" in refused.value.remedy


RUN = """
from hepreco.cli import main
main()
"""


def run_elsewhere(path, *options):
    """``hepreco run`` in a process of its own, which starts in another directory."""
    words = ["run", str(path), "--output", str(path.with_name("out")), "--no-figures", *options]
    status, out, err = python("-c", RUN, *words, cwd=Path("/"), environment=os.environ)
    assert status == 0, out + err
    return out


@pytest.mark.parametrize("executor", ["iterative", "futures", "dask"])
def test_workers_find_the_function_too(executor, config, tmp_path, hadronic):
    (tmp_path / "of_mine.py").write_text("import awkward as ak\ndef some(events):\n    return ak.num(events.Jet) > 5\n")
    path = config(f'[datasets.a]\nfiles = ["{hadronic.files[0]}"]\n' + CUT.format("of_mine:some"))
    assert "mine" in run_elsewhere(path, "--workers", "1", "--executor", executor)


@pytest.fixture(scope="module")
def scheduler(ready_workers):
    """The address of a cluster whose workers know nothing of the directories of configurations."""
    from distributed import LocalCluster  # noqa: PLC0415  slow to import

    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as cluster:
        yield cluster.scheduler_address


def test_workers_of_others_get_the_function_from_the_driver(scheduler, config, tmp_path, hadronic):
    """With what it uses of other modules there."""
    (tmp_path / "with_helpers.py").write_text("def mask(numbers, least):\n    return numbers > least\n")
    (tmp_path / "of_others").mkdir()
    (tmp_path / "of_others" / "__init__.py").write_text("LEAST = 5\n")
    (tmp_path / "of_others" / "counts.py").write_text(
        "import awkward as ak\nimport with_helpers\nfrom of_others import LEAST\n"
        "def some(events):\n    return with_helpers.mask(ak.num(events.Jet), LEAST)\n"
    )
    path = config(f'[datasets.a]\nfiles = ["{hadronic.files[0]}"]\n' + CUT.format("of_others.counts:some"))
    run_elsewhere(path, "--executor", "dask", "--scheduler", scheduler)
    cutflow = read_histograms(tmp_path / "out" / "histograms.zip").histograms["cutflow"]
    table = uproot.open(hadronic.files[0])["Events"].arrays(["nJet", "genWeight"], library="np")
    passed = table["genWeight"][table["nJet"] > 5].sum(dtype=float)
    assert cutflow[{"dataset": "a", "variation": "nominal", "cut": "mine"}].value == pytest.approx(passed)
