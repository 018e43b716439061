"""The blueprint on which every module of referral pages registers its pages, and the words they share."""

from typing import Any

from flask import Blueprint

from portal.core.clock import AGE_BANDS
from portal.people.categories import labelled

bp = Blueprint("referrals", __name__, url_prefix="/referrals")


@bp.context_processor
def words() -> dict[str, Any]:
    return {"labelled": labelled, "age_bands": AGE_BANDS}
