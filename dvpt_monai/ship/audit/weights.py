"""Whether a file of weights holds anything but weights, by its pickle's opcodes, which nothing executes."""

from __future__ import annotations

import io
import pickletools  # nosec B403: it reads opcodes, and runs none
import re
import zipfile

from dvpt_monai.ship.audit.finding import Finding

__all__ = ["audit_weights"]

TENSORS = re.compile(
    r"collections OrderedDict"
    r"|torch\._utils _rebuild_(tensor_v2|parameter|qtensor|device_tensor_from_numpy)"
    r"|torch (\w+Storage|Size|device|float\d+|bfloat16|int\d+|uint8|bool)"
    r"|torch\.storage (Untyped|Typed)Storage"
    r"|torch\._tensor _rebuild_from_type_v2"
    r"|torch\.nn\.parameter Parameter"
    r"|torch\.serialization _get_layout"
)
"""What a state dict of tensors is made of."""


def audit_weights(file: str, content: bytes) -> list[Finding]:
    """Judge a file that ``torch.load`` or pickle would read.

    Example:
        >>> import pickle
        >>> audit_weights("model.pt", pickle.dumps(print))[0].what
        'calls builtins print'
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = archive.namelist()
            if any("/code/" in name for name in names):
                return [Finding(file, "", "is TorchScript: a network whose code runs outside of Python", refused=False)]
            pickles = [archive.read(name) for name in names if name.endswith(".pkl")]
    except zipfile.BadZipFile:
        pickles = [content]
    findings: list[Finding] = []
    for data in pickles:
        try:
            findings += [Finding(file, "", f"calls {name}", refused=True) for name in _called(data)]
        except Exception as error:  # pickletools raises whatever it stumbles over
            findings.append(Finding(file, "", f"is no pickle that can be read ({error})", refused=True))
    return findings


def _called(data: bytes) -> list[str]:
    """The globals that a pickle would import, but for those of tensors."""
    strings: list[str] = []
    called = []
    stream = io.BytesIO(data)
    while stream.tell() < len(data):  # PyTorch's old format is several pickles in a row, then raw numbers
        begun = stream.tell()
        try:
            for opcode, argument, _ in pickletools.genops(stream):
                if opcode.name in ("GLOBAL", "INST"):
                    called.append(str(argument))
                elif opcode.name == "STACK_GLOBAL":
                    called.append(" ".join(strings[-2:]))
                elif opcode.name in ("EXT1", "EXT2", "EXT4"):
                    called.append(f"extension {argument}")
                elif isinstance(argument, str):
                    strings.append(argument)
        except ValueError:
            if begun == 0:
                raise
            break  # the raw numbers
    return [name for name in called if not TENSORS.fullmatch(name)]
