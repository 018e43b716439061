"""URL converters, so that a view receives the thing and not its name."""

from enum import StrEnum
from typing import Any

from werkzeug.routing import BaseConverter, ValidationError


def enum_converter(members: type[StrEnum]) -> type[BaseConverter]:
    """A converter for `/<kind:value>` URLs; an unknown value is a 404."""

    class EnumConverter(BaseConverter):
        def to_python(self, value: str) -> Any:
            try:
                return members(value)
            except ValueError as error:
                raise ValidationError from error

        def to_url(self, value: Any) -> str:
            return str(getattr(value, "value", value))

    return EnumConverter
