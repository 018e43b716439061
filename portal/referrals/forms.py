"""Forms of referrals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from flask_babel import gettext, lazy_gettext
from wtforms import BooleanField, FieldList, HiddenField, RadioField, SelectField, SelectMultipleField
from wtforms.fields import SelectChoice  # type: ignore[attr-defined]
from wtforms.validators import ValidationError
from wtforms.widgets import CheckboxInput, ListWidget

from portal.accounts.forms import named
from portal.agencies.models import Room
from portal.cases.codes import Domain, Outcome, Score
from portal.core.clock import AGE_BANDS
from portal.core.labels import Labelled
from portal.disclosures.models import Basis
from portal.people.categories import Category
from portal.referrals.drafts import Offer, Recipient
from portal.referrals.models import FollowUpKind
from portal.referrals.queries import Box
from portal.referrals.services import Answer
from portal.referrals.states import ReferralAction, ReferralKind, ReferralStatus, Refusal
from portal.web.base_form import AddressForm, BaseForm
from portal.web.fields import (
    CleanString,
    CleanText,
    EraDateField,
    EraDateTimeField,
    MaxLength,
    Required,
    not_after_today,
)

GOALS = 3


def choices_of(words: Iterable[Labelled]) -> list[SelectChoice]:
    return [SelectChoice(word.value, lazy_gettext(word.word)) for word in words]


def offered(field: Any) -> set[str]:
    return {str(choice.value) for choice in field.choices or ()}


def uuid_or_none(text: Any) -> UUID | None:
    """An id from outside; None for a value that is no id."""
    try:
        return UUID(str(text))
    except ValueError:
        return None


class OneOf(RadioField):
    """One of several; when nothing is chosen, `Required` reports it."""

    def pre_validate(self, form: Any) -> None:
        if self.data and self.data not in offered(self):
            raise ValidationError(gettext("一覧から選んでください。"))


class Chosen(SelectField):
    """The same as a drop-down list, whose first line is no choice."""

    def pre_validate(self, form: Any) -> None:
        if self.data and self.data not in offered(self):
            raise ValidationError(gettext("一覧から選んでください。"))


class ManyOf(SelectMultipleField):
    """Several of several, as boxes to tick."""

    widget = ListWidget(prefix_label=False)
    option_widget = CheckboxInput()

    def pre_validate(self, form: Any) -> None:
        if set(self.data or ()) - offered(self):
            raise ValidationError(gettext("一覧から選んでください。"))


class SearchForm(BaseForm):
    q = CleanString(lazy_gettext("番号・氏名・ふりがな"), [MaxLength(200)])


# Whose work is listed (`worker=`): one's own, that of nobody, or that of the colleague with this id.
MINE, NOBODYS = "me", "none"


class FilterForm(AddressForm):
    """The filters of the list, beside its tabs."""

    box = SelectField(lazy_gettext("受けた・送った"), default="", validate_choice=False)
    agency = SelectField(lazy_gettext("相手の機関"), default="", validate_choice=False)
    worker = SelectField(lazy_gettext("担当"), default="", validate_choice=False)
    kind = SelectField(lazy_gettext("種類"), default="", validate_choice=False)
    state = SelectField(lazy_gettext("状態"), default="", validate_choice=False, name="status")
    since = EraDateField(lazy_gettext("日付（から）"))
    until = EraDateField(lazy_gettext("日付（まで）"))

    def __init__(self, asked: Any, others: Iterable[Any], colleagues: Iterable[Any]) -> None:
        """`others` are the agencies of the other side, `colleagues` those who work on this one."""
        super().__init__(formdata=asked)
        everything = SelectChoice("", gettext("すべて"))
        self.box.choices = [
            everything,
            SelectChoice(Box.IN.value, gettext("受けたもの")),
            SelectChoice(Box.OUT.value, gettext("送ったもの")),
        ]
        self.agency.choices = [everything, *(SelectChoice(str(one.id), one.name) for one in others)]
        self.worker.choices = [
            everything,
            SelectChoice(MINE, gettext("自分")),
            SelectChoice(NOBODYS, gettext("未定")),
            *(SelectChoice(str(one.id), one.name) for one in colleagues),
        ]
        self.kind.choices = [everything, *choices_of(ReferralKind)]
        self.state.choices = [everything, *choices_of(ReferralStatus)]
        self.settle()

    def asked(self) -> dict[str, Any]:
        """The values as `queries.Filter` takes them; the states, of which an address may name several, stay out."""
        return {
            "box": Box(self.box.data) if self.box.data else Box.ALL,
            "agency_id": uuid_or_none(self.agency.data),
            "kind": ReferralKind(self.kind.data) if self.kind.data else None,
            "since": self.since.data,
            "until": self.until.data,
        }


class ProposalForm(BaseForm):
    """What a referral asks and discloses. A draft is checked by the services, which name the field."""

    person = HiddenField()
    part_of = HiddenField()
    version = HiddenField()
    kind = OneOf(
        lazy_gettext("種類"),
        [Required()],
        choices=choices_of(ReferralKind),
        default=ReferralKind.REFERRAL.value,
    )
    to = Chosen(lazy_gettext("つなぎ先の機関"), [Required(lazy_gettext("つなぎ先の機関を選んでください。"))])
    service = Chosen(lazy_gettext("支援メニュー"))
    basis = OneOf(
        lazy_gettext("提供根拠"),
        [Required()],
        choices=choices_of([Basis.CONSENT, Basis.ANONYMOUS]),
        default=Basis.CONSENT.value,
    )
    categories = ManyOf(
        lazy_gettext("伝える情報の区分"), choices=choices_of(Category), default=[Category.BASIC.value]
    )
    need = CleanText(
        lazy_gettext("お願いしたいこと"),
        [Required(lazy_gettext("つなぐ理由（お願いしたいこと）を入力してください。")), MaxLength(4000)],
    )
    goal_domain = FieldList(
        Chosen(lazy_gettext("領域"), choices=choices_of(Domain)), min_entries=GOALS, max_entries=GOALS
    )
    goal_text = FieldList(
        CleanString(lazy_gettext("目標"), [MaxLength(300)]), min_entries=GOALS, max_entries=GOALS
    )
    appointment_at = EraDateTimeField(lazy_gettext("同席の日時"))
    appointment_place = CleanString(lazy_gettext("同席の場所"), [MaxLength(200)])
    anonymous_age_band = Chosen(
        lazy_gettext("年代"),
        choices=[
            SelectChoice("", lazy_gettext("伝えない")),
            *(SelectChoice(code, lazy_gettext(word)) for code, word in AGE_BANDS.items()),
        ],
    )

    def offer(
        self, recipients: Sequence[Recipient], covered: frozenset[str], refused: UUID | None = None
    ) -> None:
        """Fill the lists of agencies and services; agencies covered by a consent come first.

        `refused` is the agency that has just refused the same.
        """
        in_order = sorted(recipients, key=lambda r: r.name not in covered)
        words = {True: gettext("本人の同意がある機関"), False: gettext("同意がまだない機関")}
        self.to.choices = [
            SelectChoice("", gettext("つなぎ先を選ぶ")),
            *(
                entry(r, words[r.name in covered] if covered else None, has_refused=r.id == refused)
                for r in in_order
            ),
        ]
        self.service.choices = [
            SelectChoice("", gettext("相手の機関にまかせる")),
            *(service_entry(r, offer) for r in recipients for offer in r.offers),
        ]

    def goals(self) -> tuple[tuple[Domain, str], ...]:
        lines = zip(self.goal_domain.entries, self.goal_text.entries, strict=True)
        return tuple((Domain(domain.data or Domain.DAILY), text.data) for domain, text in lines if text.data)


def entry(recipient: Recipient, group: str | None, *, has_refused: bool) -> SelectChoice:
    """An agency as an option of the list, with what prevents sending to it today."""
    marks = [gettext("受入不可の回答あり")] if has_refused else []
    if recipient.never_opens:
        marks.append(gettext("休業中"))
    elif not recipient.is_open_today:
        marks.append(gettext("本日休み"))
    if recipient.is_full:
        marks.append(gettext("受入の空きなし"))
    name = recipient.name + "".join(f"［{mark}］" for mark in marks)
    return SelectChoice(str(recipient.id), name, optgroup=group)


def service_entry(recipient: Recipient, offer: Offer) -> SelectChoice:
    room = "" if offer.room is Room.OPEN else f"［{gettext(offer.room.word)}］"
    return SelectChoice(str(offer.id), f"{offer.name}{room}", optgroup=recipient.name)


def staff_entries(undecided: str, colleagues: Sequence[Any]) -> list[SelectChoice]:
    return [SelectChoice("", undecided), *(SelectChoice(str(one.id), named(one)) for one in colleagues)]


class SendForm(BaseForm):
    """Confirms what the check page shows; `version` is that of the draft it showed."""

    version = HiddenField()


class StepForm(BaseForm):
    """One step of the flow: asks for what the step needs and for nothing else.

    `seen` is the number of events the timeline had, so that a refusal can show what happened meanwhile.
    """

    version = HiddenField()
    seen = HiddenField()
    refusal = OneOf(lazy_gettext("受け入れられない理由"), choices=choices_of(Refusal))
    text = CleanText(lazy_gettext("理由"), [MaxLength(2000)])
    first_contact_on = EraDateField(lazy_gettext("初回の連絡・面談の日"), [not_after_today])
    outcome = OneOf(lazy_gettext("結果"), choices=choices_of(Outcome))
    scores = FieldList(OneOf(choices=choices_of(Score)))
    meeting_at = EraDateTimeField(lazy_gettext("初回の面談の日時（決まっていれば）"))
    meeting_place = CleanString(lazy_gettext("初回の面談の場所"), [MaxLength(200)])
    opens_case = BooleanField(lazy_gettext("自分の機関でケースも始める"))
    worker = Chosen(lazy_gettext("担当者"))

    TEXTS = {
        ReferralAction.ACCEPT: lazy_gettext("依頼した機関への連絡"),
        ReferralAction.COMPLETE: lazy_gettext("結果についての説明"),
        ReferralAction.AMEND: lazy_gettext("訂正の理由"),
    }
    TAKES = {"text": ("text",), "meeting": ("meeting_at", "meeting_place"), "case": ("opens_case",)}
    NEEDS = {
        "refusal": ("refusal", lazy_gettext("受け入れられない理由を選んでください。")),
        "text": ("text", lazy_gettext("理由を入力してください。")),
        "first_contact": ("first_contact_on", lazy_gettext("初回の連絡・面談の日付を入力してください。")),
        "outcome": ("outcome", lazy_gettext("結果を選んでください。")),
        "scores": ("scores", None),
    }

    def ask(
        self,
        action: ReferralAction,
        asked: tuple[frozenset[str], frozenset[str]],
        goals: Sequence[UUID],
        colleagues: Sequence[Any],
    ) -> None:
        """Keep only the fields of this step, and require those that it needs."""
        needs, takes = asked
        kept = {name for take in takes for name in self.TAKES[take]}
        for name in {name for names in self.TAKES.values() for name in names} - kept - {"text"}:
            delattr(self, name)
        if action in self.TEXTS:
            self.text.label.text = self.TEXTS[action]
        for need, (name, message) in self.NEEDS.items():
            if need not in needs and name not in kept:
                delattr(self, name)
            elif need in needs and message is not None:
                self[name].validators = [Required(message), *self[name].validators]
                self[name].flags.required = True
        if action is ReferralAction.ACCEPT:
            self.worker.choices = staff_entries(gettext("あとで決める"), colleagues)
        else:
            del self.worker
        if "scores" in needs:
            while len(self.scores.entries) < len(goals):
                self.scores.append_entry()
            while len(self.scores.entries) > len(goals):
                self.scores.pop_entry()
            for number, score in enumerate(self.scores.entries, start=1):
                score.label.text = gettext("目標%(n)s", n=number)
                score.validators = [Required(lazy_gettext("達成の状況を選んでください。"))]
                score.flags.required = True

    def answer(self, goals: Sequence[UUID]) -> Answer:
        typed: Mapping[str, Any] = self.data
        scores = zip(goals, typed.get("scores", ()), strict=False)
        return Answer(
            text=typed.get("text") or "",
            refusal=Refusal(typed["refusal"]) if typed.get("refusal") else None,
            first_contact_on=typed.get("first_contact_on"),
            outcome=Outcome(typed["outcome"]) if typed.get("outcome") else None,
            scores={goal: Score(score) for goal, score in scores if score},
            worker_id=uuid_or_none(typed.get("worker")),
            opens_case=bool(typed.get("opens_case")),
            meeting_at=typed.get("meeting_at"),
            meeting_place=typed.get("meeting_place") or "",
        )


class MessageForm(BaseForm):
    text = CleanText(
        lazy_gettext("連絡の内容"),
        [Required(lazy_gettext("連絡の内容を入力してください。")), MaxLength(4000)],
    )


class WorkerForm(BaseForm):
    version = HiddenField()
    worker = Chosen(lazy_gettext("担当者"))

    def offer(self, colleagues: Sequence[Any]) -> None:
        self.worker.choices = staff_entries(gettext("未定"), colleagues)


class ConfirmStopForm(BaseForm):
    note = CleanText(lazy_gettext("補足"), [MaxLength(1000)])


class FollowUpForm(BaseForm):
    kind = HiddenField()
    text = CleanText(
        lazy_gettext("内容"), [Required(lazy_gettext("内容を入力してください。")), MaxLength(2000)]
    )

    @property
    def about(self) -> FollowUpKind | None:
        return next((kind for kind in FollowUpKind if kind.value == self.kind.data), None)
