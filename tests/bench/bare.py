"""The measure of all pages: a bare Flask page, one row by its key through SQLAlchemy, a template of 1 kB."""

import os

from flask import Flask, render_template
from pysqlite3 import dbapi2 as sound_sqlite
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

ROWS = 1000
TEMPLATE = """<!doctype html>
<html lang="ja">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>{{ note.title }}</title>
  </head>
  <body>
    <header><a href="/">つなぐ</a></header>
    <main>
      <h1>{{ note.title }}</h1>
      <p>{{ note.text }}</p>
      <dl>
        <dt>番号</dt><dd>{{ note.id }}</dd>
        <dt>作成した人</dt><dd>{{ note.author }}</dd>
        <dt>場所</dt><dd>{{ note.place }}</dd>
      </dl>
      <p>この頁は、ほかの頁の速さを比べるための物差しです。一行を読み、一枚の雛形に入れて返します。</p>
      <p>同じ機械、同じサーバーの設定で測った毎秒の回数を一として、つなぐの各頁の回数を割合で示します。</p>
      <ul>
        <li><a href="/{{ note.id + 1 }}">次</a></li>
        <li><a href="/{{ note.id - 1 }}">前</a></li>
      </ul>
    </main>
  </body>
</html>
"""


class Base(DeclarativeBase):
    pass


class Note(Base):
    __tablename__ = "note"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    text: Mapped[str]
    author: Mapped[str]
    place: Mapped[str]


def engine(url: str) -> Engine:
    return create_engine(url, module=sound_sqlite) if url.startswith("sqlite") else create_engine(url)


def fill(url: str) -> None:
    bound = engine(url)
    Base.metadata.create_all(bound)
    with Session(bound) as session, session.begin():
        for number in range(1, ROWS + 1):
            words = {"title": f"題 {number}", "text": "本文" * 40, "author": "見本 花子", "place": "例の部屋"}
            session.add(Note(id=number, **words))
    bound.dispose()


def create_app() -> Flask:
    app = Flask(__name__)
    bound = engine(os.environ["DATABASE_URL"])
    template = app.jinja_env.from_string(TEMPLATE)  # compiled once, as a file would be

    @app.get("/<int:number>")
    def show(number: int) -> str:
        with Session(bound) as session:
            return render_template(template, note=session.get_one(Note, number))

    return app
