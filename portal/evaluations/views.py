"""All pages of the yearly evaluation."""

from portal.evaluations import models
from portal.evaluations.blueprint import bp

__all__ = ["bp", "models"]
