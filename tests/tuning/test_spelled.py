"""Methods as they are typed: parsed, never evaluated."""

import pytest

from dvpt_monai import DVPT, BitFit, LoRA, Stack
from dvpt_monai.errors import TuningError
from dvpt_monai.tuning.spelled import spelled


def test_a_method_with_its_arguments():
    assert spelled("LoRA") == LoRA() and spelled("LoRA(rank=2)") == LoRA(rank=2) != LoRA()
    assert spelled("Stack(DVPT, BitFit)") == Stack(DVPT(), BitFit())


@pytest.mark.parametrize(
    "text",
    [
        "LoRA(rank=2",
        "LoRA(rank=__import__('os'))",
        "LoRA(2)",
        "LoRA(**x)",
        "dvpt.LoRA(rank=2)",
        "LoRA(rank=2).x",
        "(1)",
    ],
)
def test_whatever_is_no_literal_is_refused(text):
    with pytest.raises(TuningError):
        spelled(text)


def test_an_unknown_argument_is_named():
    with pytest.raises(TuningError, match="rnk"):
        spelled("LoRA(rnk=2)")
