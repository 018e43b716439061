"""Forms about consents."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from flask_babel import gettext, lazy_gettext
from wtforms import Field, RadioField, SelectMultipleField
from wtforms.fields import SelectChoice  # type: ignore[attr-defined]  # newer than the stubs
from wtforms.validators import ValidationError
from wtforms.widgets import CheckboxInput, ListWidget

from portal.consents.models import ConsentMethod
from portal.consents.services import ConsentTerms
from portal.core import clock
from portal.people.categories import Category
from portal.web.base_form import BaseForm
from portal.web.fields import CleanString, CleanText, EraDateField, MaxLength, Required

LINE, TEXT = MaxLength(200), MaxLength(2000)
SELF, REPRESENTATIVE = "self", "representative"

# What each category holds, in words that the person who signs understands.
EXAMPLES = {
    Category.BASIC: lazy_gettext("お名前、性別、年齢、住所、電話番号、ご家族のこと"),
    Category.HEALTH: lazy_gettext("病気やけが、通院、障がいのこと、手帳のこと"),
    Category.WORK_EDUCATION: lazy_gettext("お仕事、学校、通っている場所のこと"),
    Category.FINANCES: lazy_gettext("収入、貯金、借金、家賃などの支払いのこと"),
    Category.BENEFITS: lazy_gettext("生活保護、年金、手当など、使っている制度のこと"),
    Category.LIFE_HISTORY: lazy_gettext("これまでの暮らし、困っていること、希望していること"),
}


class Ticks(SelectMultipleField):
    """Several of several, as check boxes; what was never offered is refused."""

    widget = ListWidget(prefix_label=False)
    option_widget = CheckboxInput()

    def pre_validate(self, form: Any) -> None:
        """Refuses a value that no box has, e.g. an agency that has stopped meanwhile."""
        offered = {value for value, *_rest in self.iter_choices()}
        if set(self.data or []) - offered:
            raise ValidationError(gettext("選べなくなったものが含まれています。選び直してください。"))


def named(agencies: Iterable[tuple[UUID, str]]) -> list[SelectChoice]:
    return [SelectChoice(str(agency_id), name) for agency_id, name in agencies]


def categories() -> list[SelectChoice]:
    return [SelectChoice(category.value, gettext(category.word)) for category in Category]


def a_year_from(day: date) -> date:
    """The last day of the year that begins on this day."""
    leap = (day.month, day.day) == (2, 29)
    return date(day.year + 1, 3 if leap else day.month, 1 if leap else day.day) - timedelta(days=1)


class ConsentForm(BaseForm):
    """The terms of a consent. `agencies` are the possible recipients, as (id, name)."""

    recipients = Ticks(
        lazy_gettext("提供先の機関"), [Required(lazy_gettext("提供先の機関を選んでください。"))]
    )
    categories = Ticks(
        lazy_gettext("提供する情報の区分"), [Required(lazy_gettext("提供する情報の区分を選んでください。"))]
    )
    purpose = CleanText(lazy_gettext("利用目的"), [Required(), TEXT])
    valid_from = EraDateField(lazy_gettext("同意日"), [Required()])
    valid_until = EraDateField(lazy_gettext("終了日"), [Required()])
    given_by = RadioField(
        lazy_gettext("同意した人"),
        choices=[
            SelectChoice(SELF, lazy_gettext("本人")),
            SelectChoice(REPRESENTATIVE, lazy_gettext("代理の方")),
        ],
        default=SELF,
    )
    given_by_name = CleanString(lazy_gettext("代理の方の氏名"), [LINE])
    given_by_relation = CleanString(lazy_gettext("本人との関係"), [LINE])
    method = RadioField(
        lazy_gettext("同意の方法"),
        [Required(lazy_gettext("同意の方法を選んでください。"))],
        choices=[SelectChoice(method.value, lazy_gettext(method.word)) for method in ConsentMethod],
        validate_choice=False,
    )
    witness = CleanString(lazy_gettext("立会人の氏名"), [LINE])
    form_version = CleanString(lazy_gettext("同意書の様式・版"), [LINE])
    kept_at = CleanString(lazy_gettext("原本の保管場所"), [LINE])

    def __init__(self, agencies: Iterable[tuple[UUID, str]], **defaults: Any) -> None:
        today = clock.today()
        given: dict[str, Any] = {
            "purpose": gettext("相談者の支援について、関係機関が相談し、協力するため"),
            "valid_from": today,
            "valid_until": a_year_from(today),
        }
        super().__init__(data=given | defaults)
        self.recipients.choices = named(agencies)
        self.categories.choices = categories()

    def validate_method(self, field: Field) -> None:
        if field.data not in list(ConsentMethod):
            raise ValidationError(gettext("同意の方法を選んでください。"))

    def validate_given_by_name(self, field: Field) -> None:
        if self.given_by.data == REPRESENTATIVE and not field.data:
            raise ValidationError(gettext("代理の方の氏名を入力してください。"))
        if self.given_by.data == SELF and field.data:
            raise ValidationError(
                gettext(
                    "本人が同意したときは、この欄を空けてください。代理のときは「代理の方」を選んでください。"
                )
            )

    def validate_given_by_relation(self, field: Field) -> None:
        if self.given_by.data == REPRESENTATIVE and not field.data:
            raise ValidationError(gettext("本人との関係を入力してください（例：母、成年後見人）。"))
        if self.given_by.data == SELF and field.data:
            raise ValidationError(
                gettext(
                    "本人が同意したときは、この欄を空けてください。代理のときは「代理の方」を選んでください。"
                )
            )

    def validate_kept_at(self, field: Field) -> None:
        if self.method.data == ConsentMethod.ORAL and field.data:
            raise ValidationError(
                gettext(
                    "口頭の同意には原本がありません。この欄を空けるか、同意の方法を「書面」にしてください。"
                )
            )

    def terms(self) -> ConsentTerms:
        """The terms as typed, once the form is valid."""
        return ConsentTerms(
            recipients=frozenset(UUID(one) for one in self.recipients.data or []),
            categories=frozenset(Category(one) for one in self.categories.data or []),
            valid_from=self.valid_from.data or clock.today(),
            valid_until=self.valid_until.data or clock.today(),
            method=ConsentMethod(self.method.data),
            purpose=self.purpose.data or "",
            given_by_name=self.given_by_name.data or "",
            given_by_relation=self.given_by_relation.data or "",
            witness=self.witness.data or "",
            form_version=self.form_version.data or "",
            kept_at=self.kept_at.data or "",
        )

    def typed(self) -> list[tuple[str, str]]:
        """The fields that were sent, to be carried through the page of confirmation."""
        own = [field for field in self if field.short_name not in {"csrf_token", "idempotency_key"}]
        return [(field.name, str(value)) for field in own for value in field.raw_data or [] if value]


class WithdrawForm(BaseForm):
    """Taking a consent back. `recipients` are those that it still covers, as (id, name)."""

    scope = RadioField(
        lazy_gettext("撤回する範囲"),
        [Required(lazy_gettext("撤回する範囲を選んでください。"))],
        choices=[
            SelectChoice("whole", lazy_gettext("同意の全部")),
            SelectChoice("some", lazy_gettext("一部の機関への提供だけ")),
        ],
        validate_choice=False,
    )
    recipients = Ticks(lazy_gettext("提供をやめる機関"))
    reason = CleanText(lazy_gettext("撤回の理由"), [TEXT])

    def __init__(self, recipients: Iterable[tuple[UUID, str]]) -> None:
        super().__init__()
        self.recipients.choices = named(recipients)

    def validate_scope(self, field: Field) -> None:
        if field.data not in {"whole", "some"}:
            raise ValidationError(gettext("撤回する範囲を選んでください。"))

    def validate_recipients(self, field: Field) -> None:
        if self.scope.data == "some" and not field.data:
            raise ValidationError(gettext("提供をやめる機関を選んでください。"))
        if self.scope.data == "whole" and field.data:
            raise ValidationError(
                gettext(
                    "全部を撤回するときは、機関の選択を外してください。一部だけのときは、範囲を選び直してください。"
                )
            )

    def chosen(self) -> frozenset[UUID]:
        """The recipients to withdraw from; empty for the whole consent."""
        return frozenset(UUID(one) for one in self.recipients.data or [])


class PaperForm(BaseForm):
    """The choices that prefill a consent form before it is printed. Its address holds no names."""

    class Meta:
        csrf = False

    recipients = Ticks(lazy_gettext("提供先の機関"))
    categories = Ticks(lazy_gettext("提供する情報の区分"))
    valid_until = EraDateField(lazy_gettext("終了日"))

    def __init__(self, agencies: Iterable[tuple[UUID, str]], formdata: Any) -> None:
        super().__init__(formdata=formdata, data={"valid_until": a_year_from(clock.today())})
        self.recipients.choices = named(agencies)
        self.categories.choices = categories()
