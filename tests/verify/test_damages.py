"""Every kind of damage is found at the first, a middle and the last case, by code and file; clean data pass."""

import pytest

from dvpt_monai.verify import verify
from tests.verify import damages
from tests.verify.data_sets import eyes, photographs, volumes

SETS = {
    "volumes": (volumes, damages.VOLUMES),
    "photographs": (photographs, damages.PHOTOGRAPHS),
    "eyes": (eyes, damages.EYES),
}
KINDS = [(name, kind) for name, (_, table) in SETS.items() for kind in table]


@pytest.mark.parametrize("place", [5, *(pytest.param(place, marks=pytest.mark.slow) for place in (0, 11))])
@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_damage_is_found(tmp_path, name, kind, place):
    write, table = SETS[name]
    code, spoil = table[kind]
    folder = write(tmp_path / name)
    path = spoil(folder, place)

    report = verify(folder, workers=1, progress=False)

    assert (code, path) in {(finding.kind.code, finding.file) for finding in report.findings}, report.findings
    [kind] = {finding.kind for finding in report.findings if finding.kind.code == code}
    assert kind.why and kind.remedy and report.exit_code == any(finding.kind.fatal for finding in report.findings)
    others = {finding.file for finding in report.findings if finding.kind.fatal} - {path}
    assert not {other for other in others if other.name[1:4] not in (f"{place:03}", path.name[1:4])}, "blames others"


def test_at_least_thirty_kinds():
    assert len({kind for _, kind in KINDS}) >= 30


@pytest.mark.parametrize("write", [volumes, photographs, eyes])
def test_clean_data_raise_no_alarm(tmp_path, write):
    assert verify(write(tmp_path / "data", count=100), workers=1, progress=False).findings == ()
