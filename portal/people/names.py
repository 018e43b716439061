"""Names: keys to find people by, whatever kana, width or character form is typed, and possible duplicates."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date

from portal.core.text import LIKE_ESCAPE, clean_text, fold, like_pattern

__all__ = [
    "LIKE_ESCAPE",
    "IdentityKeys",
    "clean_text",
    "identity_keys",
    "is_kana",
    "like_pattern",
    "search_key",
]

# Character forms of names: the first of each group stands for the others. Old forms (旧字体), forms of the
# family register, and forms that people mix up. 斉 斎 齊 齋 are one group although 斉 and 斎 differ in root:
# 斉藤 and 斎藤 are confused every day; one match too many costs a glance, one too few a second file.
# 崎 and 碕 likewise.
FORMS = (
    "高髙 崎﨑嵜碕 浜濱濵 辺邊邉 斉齊斎齋亝 沢澤 桜櫻 島嶋嶌 広廣 国國圀 真眞 恵惠 竜龍 条條 渕淵 "
    "徳德 瀬瀨 与與 万萬 栄榮 寿壽 円圓 学學斈 会會 実實 蔵藏 静靜 浅淺 槙槇 吉𠮷 曽曾 関關 黒黑 "
    "礼禮 弥彌 亀龜 滝瀧 桧檜 園薗 富冨 峰峯 岳嶽 柳栁 桑桒 橋𣘺 館舘 鉄鐵鐡 豊豐 薮藪 篭籠 頼賴 "
    "巌巖 奥奧 恒恆 穂穗 稲稻 聡聰 総總 涼凉 凛凜 遥遙 尭堯 来來 亜亞 仏佛 体體 児兒 団團 塩鹽 "
    "壮壯 宝寶寳 将將 帯帶 戸戶 応應 拝拜 暁曉 暦曆 緑綠 様樣 歩步 歳歲 気氣 沖冲 渓溪 満滿 灯燈 "
    "猪豬 瑶瑤 禄祿 秋穐 糸絲 経經 縄繩 絵繪 芸藝 荘莊 薫薰 薬藥 蛍螢 衛衞 覚覺 観觀 誉譽 読讀 "
    "郎郞 医醫 釈釋 録錄 双雙 霊靈 青靑 顕顯 駅驛 鴎鷗 麦麥 黄黃 歯齒 温溫 清淸 呉吳 内內 産產 "
    "増增 寛寬 巻卷 毎每 郷鄕鄉 彦彥 煕熙熈 昇曻 船舩 野埜 杉杦 予豫 伝傳 参參 台臺 変變 処處 "
    "覧覽 禰祢 鶴靍靏"
)

_TO_COMMON_FORM = str.maketrans({form: group[0] for group in FORMS.split() for form in group[1:]})

_KANA = re.compile("[ぁ-ゖァ-ヺ]")
# Kana with their repeat and length marks, spaces and the dot between names.
_FURIGANA = re.compile(r"[\s・ぁ-ゖゝゞァ-ヺーヽヾ]+")


def search_key(*parts: str | None) -> str:
    """The parts of a name as one key: folded, in the common character form, without gaps; None is left out.

    Names that a reader takes for the same have the same key (髙橋 高橋, ｻｲﾄｳ さいとう, 山﨑 山崎). It is for
    finding and comparing, never for showing: it holds no punctuation, so a query of signs has none.
    """
    return fold("".join(part for part in parts if part)).translate(_TO_COMMON_FORM)


def is_kana(text: str) -> bool:
    """Whether a text is furigana: hiragana or katakana of any width, with spaces, ー and ・ between."""
    plain = unicodedata.normalize("NFKC", text)
    return _KANA.search(plain) is not None and _FURIGANA.fullmatch(plain) is not None


@dataclass(frozen=True, slots=True)
class IdentityKeys:
    """The keys that find two records of one person: of name and furigana, and the birth date."""

    name: str
    kana: str
    birth: date | None

    def may_be_same(self, other: IdentityKeys) -> bool:
        """Whether to ask "is this the same person?": the same name, or the same furigana and birth date.

        What is not known matches nothing.
        """
        same_name = bool(self.name) and self.name == other.name
        same_kana = bool(self.kana) and self.kana == other.kana
        return same_name or (same_kana and self.birth is not None and self.birth == other.birth)


def identity_keys(
    *,
    family: str | None,
    given: str | None,
    family_kana: str | None = None,
    given_kana: str | None = None,
    birth: date | None = None,
) -> IdentityKeys:
    """The keys of a person as typed: `search_key` of the full name and of the furigana; the birth date."""
    return IdentityKeys(search_key(family, given), search_key(family_kana, given_kana), birth)
