import pytest


@pytest.mark.parametrize(
    ("typed", "method"),
    [
        ([], None),
        (["--method", "SideDVPT"], "SideDVPT"),
        (["--method", "{'_target_': 'dvpt_monai.LoRA', 'rank': 4}"], {"_target_": "dvpt_monai.LoRA", "rank": 4}),
    ],
)
def test_the_method_is_read_as_the_training_reads_it(say, monkeypatch, repository, typed, method):
    seen = {}
    monkeypatch.setattr("dvpt_monai.predict.command.run", lambda *paths, **settings: seen.update(settings))
    bundle = repository / "bundles" / "hippocampus_mri_segmentation"
    code, _, error = say("predict", "--bundle", bundle, "--input", "i", "--output", "o", *typed)
    assert (code, error) == (0, "") and seen["method"] == method
