"""Seeding: so many referrals between so many agencies over eight years, quickly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from random import Random

from sqlalchemy import select

from portal import clock
from portal.accounts.models import Staff
from portal.accounts.passwords import hashing
from portal.agencies.models import Agency
from portal.audit.events import AuditEvent
from portal.db import db
from portal.policy import Role
from portal.referrals.models import FollowUpKind, Happening
from portal.referrals.states import ReferralKind, ReferralStatus
from portal.seed import clients, network
from portal.seed.bulk import Bulk, Who
from portal.seed.clients import Client, World, Yes
from portal.seed.network import Place
from portal.seed.paths import CONFIRMED, NEWS_DAYS, PLAN_NAMES, PLAN_WEIGHTS, PLANS, Path

YEARS = 8
FEWEST, MOST_AGENCIES = 120, 3000
# The first two agencies have the same work whatever the size of the world, so that their pages compare.
SHARE = 200
FEWEST_SHARE = 60
BUSY_EVENTS, BUSY = 20, 20
# As many referrals are made before the rows are written.
CHUNK = 2000
KINDS = (ReferralKind.REFERRAL, ReferralKind.JOINT_INTERVIEW, ReferralKind.ADVICE, ReferralKind.TRANSFER)
KIND_WEIGHTS = (72, 14, 7, 7)
