"""Losses that know what MONAI's do not: that grades have an order, and that of some pixels nothing is known."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.losses import DiceLoss
from torch import Tensor, nn
from torch.nn import functional as F

from dvpt_monai.errors import DataError


class OrdinalLoss(nn.Module):
    """Cross-entropy plus the squared distance of the expected grade.

    ``cross_entropy + distance * mean((E[grade] - y)^2) / (C - 1)^2`` with ``E[grade] = sum_c c softmax(z)_c``. The
    second term is what the quadratic kappa punishes: an error of three grades costs nine times that of one grade.
    Logits go in as into cross-entropy, so the grade is still their argmax.

    **Shape**: logits (B, C); grades (B,), (B, 1) or one-hot (B, C) -> scalar

    Args:
        num_classes: number of grades C, at least 2.
        weight: one weight per grade for the cross-entropy, such as `class_weights` gives; None for equal weights.
        distance: factor of the distance; 0 leaves plain cross-entropy.
        label_smoothing: of the cross-entropy, 0 to 1.

    Raises:
        ValueError: on arguments out of range.
        DataError: in forward, on logits or grades that do not fit `num_classes`.

    Example:
        >>> loss = OrdinalLoss(num_classes=5)
        >>> truth = torch.tensor([0])
        >>> near, far = torch.eye(5)[[1]] * 9, torch.eye(5)[[4]] * 9
        >>> bool(loss(near, truth) < loss(far, truth))
        True
    """

    weight: Tensor | None

    def __init__(
        self,
        num_classes: int,
        weight: Sequence[float] | Tensor | None = None,
        distance: float = 1.0,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        if num_classes < 2:
            raise ValueError(f"OrdinalLoss: num_classes={num_classes}, but an order needs at least 2 grades")
        if distance < 0 or not 0 <= label_smoothing <= 1:
            raise ValueError(
                f"OrdinalLoss: distance={distance} must be at least 0, label_smoothing={label_smoothing} in 0..1"
            )
        self.num_classes = num_classes
        self.distance = distance
        self.label_smoothing = label_smoothing
        self.register_buffer("weight", None if weight is None else torch.as_tensor(weight, dtype=torch.float32))
        if self.weight is not None and (self.weight.shape != (num_classes,) or not bool((self.weight >= 0).all())):
            raise ValueError(f"OrdinalLoss: weight={self.weight.tolist()} must be {num_classes} numbers of at least 0")

    def forward(self, logits: Tensor, grades: Tensor) -> Tensor:
        """Average the loss over the batch; see the class for the shapes."""
        if logits.ndim != 2 or logits.shape[1] != self.num_classes:
            raise DataError(f"OrdinalLoss: logits of shape {tuple(logits.shape)}, expected (B, {self.num_classes})")
        logits = logits.float()  # under autocast, too
        grade = self._grade(grades, len(logits))
        weight = None if self.weight is None else self.weight.to(logits.device)
        loss = F.cross_entropy(logits, grade, weight, label_smoothing=self.label_smoothing)
        ranks = torch.arange(self.num_classes, device=logits.device, dtype=logits.dtype)
        expected = (logits.softmax(dim=1) * ranks).sum(dim=1)  # (B,); a matrix product would be half precision there
        return loss + self.distance * ((expected - grade) / (self.num_classes - 1)).square().mean()

    def _grade(self, grades: Tensor, batch: int) -> Tensor:
        """Any accepted form -> (B,) integers."""
        form = tuple(grades.shape)
        if form == (batch, self.num_classes):
            grade = grades.argmax(dim=1)
            wrong = bool((grades != F.one_hot(grade, self.num_classes)).any())
        elif form in ((batch,), (batch, 1)):
            grade = grades.reshape(batch).long()
            wrong = bool(((grade < 0) | (grade >= self.num_classes) | (grade != grades.reshape(batch))).any())
        else:
            forms = f"({batch},), ({batch}, 1) or one-hot ({batch}, {self.num_classes})"
            raise DataError(f"OrdinalLoss: grades of shape {form}, expected {forms}")
        if wrong:
            raise DataError(
                f"OrdinalLoss: grades {grades.tolist()} are no integers in 0..{self.num_classes - 1}, nor one-hot; "
                "correct the labels or set num_classes"
            )
        return grade


class KnownPixelsLoss(nn.Module):
    """Dice plus cross-entropy of the pixels whose label is known; a label of -1 is not.

    Elsewhere it is as MONAI's ``DiceCELoss``: with a softmax and without the Dice of the background, or, of structures
    that overlap, with a sigmoid. Without a known pixel it is 0.

    **Shape**: logits (B, C, *spatial); labels (B, 1, *spatial), or of overlapping structures (B, C, *spatial) -> scalar

    Args:
        overlapping: whether each channel is a structure of its own.

    Example:
        >>> logits = torch.tensor([[[5.0, 5.0], [-5.0, -5.0]]])
        >>> right, unknown = torch.tensor([[[0, 0]]]), torch.tensor([[[0, -1]]])
        >>> loss = KnownPixelsLoss()
        >>> bool(loss(logits, unknown) == loss(logits[..., :1], right[..., :1]))
        True
    """

    def __init__(self, overlapping: bool = False) -> None:
        super().__init__()
        self.overlapping = overlapping
        self.dice = DiceLoss(include_background=overlapping, to_onehot_y=not overlapping)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Average the loss over the known pixels; see the class for the shapes."""
        logits = logits.float()  # under autocast, too
        known = labels >= 0
        if not bool(known.any()):
            return logits.sum() * 0
        if self.overlapping:
            entropy = F.binary_cross_entropy_with_logits(logits[known], labels[known].float())
            probabilities = logits.sigmoid()
        else:
            entropy = F.cross_entropy(logits, labels[:, 0].long(), ignore_index=-1)
            probabilities = logits.softmax(dim=1)
        dice: Tensor = self.dice(probabilities * known, labels.clamp(min=0))
        return dice + entropy
