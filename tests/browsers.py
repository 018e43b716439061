"""A test client that signs in the way a person does: through the page."""

from typing import Self

from flask.testing import FlaskClient

PASSWORD = "tsunagu no tameno aikotoba"


class Browser(FlaskClient):
    def sign_in(self, email: str, password: str = PASSWORD) -> Self:
        answer = self.post("/sign-in", data={"email": email, "password": password})
        assert answer.status_code in {302, 303}, f"{email} could not sign in:\n{answer.text}"
        return self
