"""Forms of local issues."""

from flask_babel import lazy_gettext

from portal.meetings.states import IssueStatus
from portal.referrals.forms import OneOf, choices_of
from portal.web.base_form import BaseForm, VersionField
from portal.web.fields import CleanText, MaxLength, Required

LONGEST = 2000


class IssueForm(BaseForm):
    text = CleanText(
        lazy_gettext("地域に足りないもの・困っていること"),
        [Required(lazy_gettext("内容を入力してください。")), MaxLength(LONGEST)],
    )


class IssueChangeForm(IssueForm):
    """The words belong to the agency that raised it; others only say what came of it."""

    version = VersionField()
    stands = OneOf(lazy_gettext("状況"), [Required()], choices=choices_of(IssueStatus))
    result = CleanText(lazy_gettext("検討の結果・その後"), [MaxLength(LONGEST)])
