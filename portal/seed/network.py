"""The agencies of a seeded world, who works there, and invented names and words: obviously nobody's."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from random import Random

from portal.agencies.calendar import OpeningDays
from portal.agencies.models import Room
from portal.agencies.services import numbered
from portal.audit.events import AuditEvent
from portal.core import clock
from portal.core.policy import Role
from portal.seed.bulk import Bulk, Row, Who

FAMILIES = (
    ("山田", "やまだ"),
    ("髙橋", "たかはし"),
    ("高橋", "たかはし"),
    ("佐藤", "さとう"),
    ("見本", "みほん"),
    ("例示", "れいじ"),
    ("架空", "かくう"),
    ("仮名", "かめい"),
    ("試作", "しさく"),
    ("試験", "しけん"),
    ("想定", "そうてい"),
    ("例文", "れいぶん"),
    ("仮題", "かだい"),
    ("名無", "ななし"),
    ("山﨑", "やまさき"),
    ("山崎", "やまざき"),
    ("斎藤", "さいとう"),
    ("渡邊", "わたなべ"),
    ("渡辺", "わたなべ"),
    ("浜見本", "はまみほん"),
    ("東例", "ひがしれい"),
    ("西例", "にしれい"),
    ("南見本", "みなみみほん"),
    ("北見本", "きたみほん"),
    ("上仮", "かみかり"),
    ("下仮", "しもかり"),
    ("中想", "なかそう"),
    ("大試", "おおため"),
    ("小試", "こため"),
    ("新架", "しんか"),
    ("古例", "ふるれい"),
    ("長仮", "ながかり"),
    ("木見本", "きみほん"),
    ("石見本", "いしみほん"),
    ("川例", "かわれい"),
    ("田例", "たれい"),
    ("林仮", "はやしかり"),
    ("森仮", "もりかり"),
    ("池想", "いけそう"),
    ("原想", "はらそう"),
)
GIVEN = (
    ("太郎", "たろう", "男性"),
    ("花子", "はなこ", "女性"),
    ("一郎", "いちろう", "男性"),
    ("健一", "けんいち", "男性"),
    ("直樹", "なおき", "男性"),
    ("大輔", "だいすけ", "男性"),
    ("翔太", "しょうた", "男性"),
    ("拓也", "たくや", "男性"),
    ("悠人", "はると", "男性"),
    ("浩二", "こうじ", "男性"),
    ("修", "おさむ", "男性"),
    ("誠", "まこと", "男性"),
    ("隆", "たかし", "男性"),
    ("勝", "まさる", "男性"),
    ("亮", "りょう", "男性"),
    ("陽子", "ようこ", "女性"),
    ("美咲", "みさき", "女性"),
    ("節子", "せつこ", "女性"),
    ("幸子", "さちこ", "女性"),
    ("真由美", "まゆみ", "女性"),
    ("恵", "めぐみ", "女性"),
    ("香織", "かおり", "女性"),
    ("千代", "ちよ", "女性"),
    ("奈緒", "なお", "女性"),
    ("葵", "あおい", "女性"),
    ("舞", "まい", "女性"),
    ("由紀", "ゆき", "女性"),
    ("久美子", "くみこ", "女性"),
    ("静江", "しずえ", "女性"),
    ("瞳", "ひとみ", "女性"),
)
# A town's first character begins the short names of its agencies.
TOWNS = (
    *("見本市", "架空市", "仮名市", "例示市", "想定市", "試験市", "名無市", "空想市", "夢見市", "影絵市"),
    *("雲上市", "虹橋市", "星降市", "月見市", "風待市", "霧立市", "雪解市", "花咲市", "鳥啼市", "魚飛市"),
    *("貝殻市", "砂絵市", "波音市", "潮待市", "島影市", "岬先市", "峠越市", "谷間市", "沢音市", "滝見市"),
)
KINDS = {
    "self_reliance": ("自立相談支援センター", "自"),
    "employment_preparation": ("就労準備支援室", "就"),
    "general_desk": ("総合相談窓口", "総"),
    "youth_centre": ("若者相談センター", "若"),
    "disability_employment": ("障害者就業・生活支援センター", "障"),
    "community_activity": ("地域活動支援センター", "活"),
    "hello_work": ("ハローワーク", "職"),
    "welfare_commissioners": ("民生委員児童委員協議会", "民"),
    "parents_group": ("親の会", "親"),
    "developmental_disability": ("発達障害者支援センター", "発"),
    "school": ("高校連絡会", "校"),
    "employer": ("協力企業の会", "企"),
    "other": ("社会福祉協議会", "社"),
}
SERVICES = ("個別の相談", "居場所", "訪問支援", "働く準備のプログラム")
KNOWN = {
    "health": (
        "眠れない日が続いている。受診はまだ。",
        "手帳はない。通院は月に1回。",
        "人の多い所で動悸がする。",
    ),
    "work_education": (
        "高校を卒業してから働いたことがない。",
        "倉庫の仕事を3年。離職して2年。",
        "週2日の内職をしている。",
    ),
    "finances": ("家賃の滞納が2か月分ある。", "貯金はあと半年分。", "親の年金で暮らしている。"),
    "benefits": ("住居確保給付金を申請中。", "障害年金の相談をしている。", "利用している制度はない。"),
    "life_history": (
        "6年間ほとんど部屋から出ていない。",
        "親の介護を終えて一人になった。",
        "転居を3回くり返した。",
    ),
}
NEEDS = (
    "働く準備を始めたいとのことです。最初の面談をお願いします。",
    "日中に過ごせる場所を探しています。見学からお願いします。",
    "生活のリズムを整えたいそうです。週1回の来所から相談してください。",
    "家計の見直しを一緒にしてくださる方を探しています。",
    "面接の練習をしたいそうです。人の少ない時間にお願いします。",
    "専門の立場から、関わり方の助言をいただきたいです。",
)
GOALS = (
    ("daily", "決まった時間に起きる"),
    ("social", "月に2回、家族以外の人と過ごす"),
    ("employment", "週1回、決まった時間に来所する"),
)
REASONS = (
    "現在、新しい方をお受けする余裕がありません。",
    "本人から、少し休みたいとの申し出がありました。",
    "対象の年齢に当てはまりませんでした。",
    "3か月続けて連絡が取れませんでした。",
)
MESSAGES = (
    "来週の火曜日に初回の面談をします。",
    "お知らせありがとうございます。引き続きよろしくお願いします。",
    "本人の体調がすぐれず、日程を変更しました。",
    "先日の面談の様子を共有します。表情が明るくなってきました。",
)
NOTES = (
    "約束の時間に来所。昨夜はよく眠れたとのこと。",
    "電話で近況を聞いた。買い物には出られている。",
    "玄関先で10分ほど話した。次回の約束をした。",
    "履歴書を一緒に書いた。志望の理由で手が止まる。",
)
CLOSINGS = ("目標に届いたため終結。", "転居のため終結。", "他の支援につながったため終結。")


# The agencies of a seeded world, what they offer, and who works there.

WEEKS = (frozenset({5, 6}), frozenset({6, 0}), frozenset({6}))
CASEWORKERS = 3
# Referrals stay among the agencies of a town, with a few beyond.
NEIGHBOURS = len(KINDS)


@dataclass(slots=True, eq=False)
class Place:
    """An agency: its caseworkers, services, opening days, and the numbers it has given out."""

    id: str
    name: str
    short: str
    week: int
    staff: list[Who] = field(default_factory=list)
    services: list[str] = field(default_factory=list)
    given_out: Counter[tuple[str, int]] = field(default_factory=Counter)

    def number(self, series: str, at: datetime) -> str:
        year = clock.fiscal_year(clock.japan_date(at))
        self.given_out[series, year] += 1
        return numbered(year, self.short, series, self.given_out[series, year])


class Calendar:
    """Deadlines in business days, each counted once."""

    def __init__(self) -> None:
        self.weeks = [OpeningDays(weekly_closed=closed) for closed in WEEKS]
        self.counted: dict[tuple[int, date, int], date] = {}

    def deadline(self, place: Place, day: date, days: int) -> date:
        key = (place.week, day, days)
        if key not in self.counted:
            self.counted[key] = self.weeks[place.week].add_business_days(day, days)
        return self.counted[key]


@dataclass(slots=True, eq=False)
class Network:
    places: list[Place]
    calendar: Calendar
    emails: list[str]
    by_id: dict[str, Place]

    def neighbours(self, index: int) -> list[Place]:
        """The agencies that an agency refers to: those of its own town, and the next town's first."""
        start = index - index % NEIGHBOURS
        town = self.places[start : start + NEIGHBOURS + 1]
        return [place for place in town if place is not self.places[index]]


def names_of(index: int) -> tuple[str, str, str]:
    """Kind, name and short name of the n-th agency; beyond the towns there are their second and third ones."""
    kind, (word, mark) = list(KINDS.items())[index % len(KINDS)]
    again, town = divmod(index // len(KINDS), len(TOWNS))
    name, first = TOWNS[town], TOWNS[town][0]
    return kind, f"{name} {word}{again + 1 if again else ''}", f"{first}{mark}{again + 1 if again else ''}"


def build(bulk: Bulk, random: Random, agencies: int, at: datetime, password_hash: str) -> Network:
    network = Network([], Calendar(), [], {})
    for index in range(agencies):
        place = build_place(bulk, random, index, at)
        network.places.append(place)
        network.by_id[place.id] = place
        for n in range(CASEWORKERS):
            role = Role.COORDINATOR if n == 1 else Role.STAFF
            email = f"a{index + 1}-{n + 1}@example.jp"
            network.emails.append(email)
            place.staff.append(
                hire(bulk, at, email, f"職員 {index + 1}の{n + 1}", role, place, password_hash)
            )
        email = f"a{index + 1}-admin@example.jp"
        hire(bulk, at, email, f"管理 {index + 1}", Role.AGENCY_ADMIN, place, password_hash)
    hire(bulk, at, "auditor@example.jp", "監査 公平", Role.AUDITOR, None, password_hash)
    hire(bulk, at, "system@example.jp", "管理 守", Role.SYSTEM_ADMIN, None, password_hash)
    return network


def build_place(bulk: Bulk, random: Random, index: int, at: datetime) -> Place:
    kind, name, short = names_of(index)
    place = Place(bulk.ids.new(at), name, short, index % len(WEEKS))
    facts = {
        "name": name,
        "short_name": short,
        "kind": kind,
        "telephone": f"0790-{index // 10000:02d}-{index % 10000:04d}",
        "email": f"agency{index + 1}@example.jp",
        "address": f"{name.split()[0]}見本町{index + 1}番地",
        "hours": "9:00-17:00",
        "weekly_closed": "".join(str(day) for day in sorted(WEEKS[place.week])),
    }
    bulk.add("agency", id=place.id, created_at=at, **facts)
    bulk.record(at, AuditEvent.AGENCY_CREATED, "agency", place.id, None, channel="command", facts=facts)
    for service in random.sample(SERVICES, 2):
        key = bulk.ids.new(at)
        place.services.append(key)
        room = random.choices(list(Room), (8, 1, 1))[0].value
        bulk.add(
            "service",
            id=key,
            created_at=at,
            agency_id=place.id,
            name=service,
            for_whom="困りごとのある人",
            room=room,
            room_as_of=clock.today() - timedelta(days=random.randrange(60)),
        )
        bulk.record(at, AuditEvent.SERVICE_UPDATED, "service", key, None, channel="command", name=service)
    if index % 10 == 0:
        close_down(bulk, place, clock.today() + timedelta(days=random.randrange(20, 60)))
    return place


def close_down(bulk: Bulk, place: Place, day: date) -> None:
    """A few days off in the weeks to come, too far away to move a deadline that was counted before."""
    at = clock.now()
    key = bulk.ids.new(at)
    span: Row = {"starts_on": day, "ends_on": day + timedelta(days=2), "reason": "研修のため"}
    bulk.add("closure", id=key, created_at=at, agency_id=place.id, **span)
    bulk.record(at, AuditEvent.CLOSURE_CHANGED, "closure", key, None, channel="command", **span)


def hire(
    bulk: Bulk, at: datetime, email: str, name: str, role: Role, place: Place | None, password_hash: str
) -> Who:
    staff, post = bulk.ids.new(at), bulk.ids.new(at)
    agency = place.id if place else None
    bulk.add("staff", id=staff, created_at=at, email=email, name=name, password_hash=password_hash)
    bulk.add(
        "membership",
        id=post,
        created_at=at,
        staff_id=staff,
        agency_id=agency,
        role=role.value,
        administers=False,
    )
    for kind, key in (("staff", staff), ("membership", post)):
        bulk.record(at, AuditEvent.STAFF_JOINED, kind, key, None, channel="command")
    return Who(staff, agency or "", role.value)
