import pytest

from dvpt_monai import TuningError
from dvpt_monai.compare import Entrant, parse_methods
from dvpt_monai.compare.entrants import target
from dvpt_monai.errors import BundleError
from dvpt_monai.methods import DVPT, BitFit, LoRA
from dvpt_monai.tuning import Method, Stack


def test_methods_are_typed_as_in_python():
    entrants = parse_methods("DVPT, LoRA(rank=4, slices=('q',)), Stack(DVPT(num_prompts=3), BitFit)")
    assert [each.method for each in entrants] == [
        DVPT(),
        LoRA(rank=4, slices=("q",)),
        Stack(DVPT(num_prompts=3), BitFit()),
    ]
    typed = ["DVPT", "LoRA(rank=4, slices=('q',))", "Stack(DVPT(num_prompts=3), BitFit)"]
    assert [str(each) for each in entrants] == typed


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("DVPT,Lora", TuningError, "did you mean LoRA?"),
        ("LoRA(ranks=4)", TuningError, "ranks"),
        ("DVPT,DVPT", BundleError, "DVPT stands there twice"),
        ("", BundleError, "none named"),
        ("DVPT LoRA", BundleError, r"write them as DVPT,LoRA\(rank=4\)"),
        ("LoRA(rank=open('x'))", BundleError, "write them as"),
        ("LoRA(**values)", BundleError, "write them as"),
        ("LoRA(rank=4, rank=8)", BundleError, "write them as"),
        ("__import__('os').system('ls')", BundleError, "write them as"),
    ],
)
def test_what_is_no_list_of_methods(text, error, says):
    with pytest.raises(error, match=says):
        parse_methods(text)


def test_a_config_builds_the_same_method():
    from monai.bundle import ConfigParser

    for method in (LoRA(rank=4), Stack(DVPT(num_prompts=3), BitFit())):
        parser = ConfigParser({"method": target(method)})
        assert parser.get_parsed_content("method") == method
        assert Method.from_arguments(method.arguments()) == method


def test_a_name_of_its_own():
    assert str(Entrant(DVPT(), {"backbone_weights": "random"}, "random backbone")) == "random backbone"
