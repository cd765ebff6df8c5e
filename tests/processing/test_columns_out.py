"""Names in files of columns, and answers that are missing in part."""

from dataclasses import dataclass

import pytest
import torch

from hepreco import Column, InputSpec, ObjectSpec, Reconstructor
from hepreco.errors import ConfigError
from hepreco.processing import ColumnWriter, ReconstructionProcessor, make_executor, run
from hepreco.processing.columns_out import check_column_names


@dataclass(frozen=True)
class Plain(Reconstructor):
    """Answers with zeros; with NaN in the column ``half`` of every second event."""

    columns: tuple[Column, ...] = (Column("x"),)

    @property
    def inputs(self):
        return InputSpec((ObjectSpec("Jet", at_least=1),))

    @property
    def outputs(self):
        return self.columns

    def reconstruct(self, batch):
        answers = {spec.name: torch.zeros(spec.shape(batch)) for spec in self.columns}
        if "half" in answers:
            answers["half"][batch.event_id[:, 2] % 2 == 0] = torch.nan
        return answers


@pytest.mark.parametrize(
    ("plugins", "name"),
    [
        ({"p": (Column("z", "four-vector"), Column("z_mass"))}, "p_z_mass"),
        ({"p": (Column("z_pt"), Column("z", "four-vector", per=2))}, "p_z_pt"),
        ({"a": (Column("b_c"),), "a_b": (Column("c"),)}, "a_b_c"),
        ({"a": (Column("b_reason"),), "a_b": (Column("c"),)}, "a_b_reason"),
        ({"a": (Column("b", per=2),), "na": (Column("b"),)}, "na_b"),
    ],
)
def test_two_columns_of_one_written_name_are_refused(plugins, name, tmp_path):
    reconstructors = {plugin: Plain(columns) for plugin, columns in plugins.items()}
    with pytest.raises(ConfigError, match=f"would both be written as '{name}'"):
        check_column_names(reconstructors)
    with pytest.raises(ConfigError, match=f"would both be written as '{name}'"):
        ReconstructionProcessor(reconstructors, columns=ColumnWriter(tmp_path, "root"))
    ReconstructionProcessor(reconstructors)  # nothing is written


def test_columns_of_other_names_are_accepted():
    check_column_names(
        {"p": Plain((Column("z", "four-vector"), Column("z_score"))), "q": Plain((Column("z", "four-vector"),))}
    )


@pytest.mark.parametrize("chunksize", [70, 1000])
def test_answers_that_are_missing_in_part_are_counted(hadronic, chunksize):
    processor = ReconstructionProcessor({"p": Plain((Column("half"), Column("whole")))}, luminosity=1.0)
    with make_executor("iterative") as executor:
        report = run(processor, [hadronic], executor=executor, chunksize=chunksize)["report"]
    assert report.partly_missing == {"ttbar": {"p": {"half": 200}}}
    assert report.without_answer["ttbar"]["p"] == {"too_few_objects": 0, "no_answer": 0}
    assert type(report).from_json(report.as_json()).partly_missing == report.partly_missing


def test_a_field_that_no_event_can_have_is_refused():
    with pytest.raises(ConfigError, match="a plugin's table is named"):
        ReconstructionProcessor({"../p": Plain()})


@pytest.mark.parametrize("luminosity", [-1.0, 0.0, float("nan")])
def test_a_luminosity_is_positive(luminosity):
    with pytest.raises(ConfigError, match="luminosity is"):
        ReconstructionProcessor(luminosity=luminosity)
