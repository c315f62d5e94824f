"""Words that the made samples say and write: numbers, directions and a small everyday vocabulary, in English and Chinese."""

import unicodedata
from collections.abc import Mapping, Sequence

LANGUAGES = ("en", "zh")

DIGITS: Mapping[str, tuple[str, ...]] = {
    "en": ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    "zh": ("零", "一", "二", "三", "四", "五", "六", "七", "八", "九"),
}

_TEENS = ("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")

# No word sounds like another or like a number (no "too", no "ate"): a transcript must be decidable by ear.
VOCABULARY: Mapping[str, tuple[str, ...]] = {
    "en": tuple(
        """
        red blue green yellow black white brown purple orange pink
        dog cat horse bird fish rabbit elephant tiger monkey sheep chicken mouse
        apple banana bread water coffee milk rice sugar cheese lemon potato tomato
        table window door chair book pencil paper bottle camera computer telephone garden
        school hospital river mountain city kitchen market airport station island
        mother father sister brother doctor teacher friend baby king student
        morning evening today tomorrow yesterday monday summer winter minute week
        open close start stop listen remember travel answer dance sing
        big small happy tired quick beautiful hungry difficult empty strong
        yes no please thanks hello world music money weather flower letter
        """.split()
    ),
    "zh": tuple(
        """
        红色 蓝色 绿色 黄色 黑色 白色 紫色 灰色 粉色 棕色
        小狗 小猫 老虎 大象 兔子 猴子 公鸡 绵羊 金鱼 熊猫 老鼠 骆驼
        苹果 香蕉 面包 咖啡 牛奶 米饭 白糖 鸡蛋 西瓜 茶叶 土豆 葡萄
        桌子 窗户 椅子 铅笔 电脑 手机 雨伞 衣服 钥匙 书包 眼镜 瓶子
        学校 医院 机场 车站 厨房 公园 城市 河流 高山 商店
        妈妈 爸爸 姐姐 弟弟 医生 老师 朋友 学生 孩子 警察
        早上 晚上 今天 明天 昨天 星期 夏天 冬天 分钟 现在
        打开 关上 开始 停止 喜欢 跳舞 唱歌 旅行 记得 回答
        高兴 漂亮 聪明 困难 干净 安静 便宜 危险 重要 简单
        你好 世界 谢谢 再见 音乐 天气 花朵 中国 电影 问题
        """.split()
    ),
}


def known(languages: Sequence[str]) -> tuple[str, ...]:
    """The same languages. Raises ValueError for none, and for one that the words are not in."""
    strange = [language for language in languages if language not in LANGUAGES]
    if strange or not languages:
        raise ValueError(f"languages {list(languages)}: give one or more of {', '.join(LANGUAGES)}")
    return tuple(languages)


def number(value: int, language: str) -> str:
    """0 to 99 in words: "thirty five", "三十五". Raises ValueError outside."""
    if not 0 <= value <= 99:
        raise ValueError(f"{value}: numbers go from 0 to 99")
    tens, ones = divmod(value, 10)
    if not tens:
        return DIGITS[language][ones]
    if language == "zh":
        return ("" if tens == 1 else DIGITS["zh"][tens]) + "十" + (DIGITS["zh"][ones] if ones else "")
    if tens == 1:
        return _TEENS[ones]
    return _TENS[tens] + (f" {DIGITS['en'][ones]}" if ones else "")


def join(words: list[str], language: str) -> str:
    """Words as they are written in that language: with spaces, or without."""
    return ("" if language == "zh" else " ").join(words)


def plain(text: str, language: str = "en") -> str:
    """The text as it is compared: lower case, compatibility forms unified, marks gone, spaces single (none in Chinese)."""
    folded = unicodedata.normalize("NFKC", text).lower()
    letters = "".join(c if unicodedata.category(c)[0] in "LNM" or c == "'" else " " for c in folded).split()
    return ("" if language == "zh" else " ").join(letters)
