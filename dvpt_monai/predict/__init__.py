"""Many images, of which each is predicted, or named with the reason why not: what every bundle's ``inferring`` runs."""

from dvpt_monai.predict.case_loader import CaseLoader
from dvpt_monai.predict.predictor import Predictor

__all__ = ["CaseLoader", "Predictor"]
