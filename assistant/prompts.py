"""Every fixed sentence shown to a person, and every word sent to a model.

Nothing a reader sees comes from anywhere else but these lines and the passages.
"""

from __future__ import annotations

# —— 拒答 ——
NO_EVIDENCE = "知识库里没有能可靠回答这个问题的内容，我不想猜。"
OUT_OF_SCOPE = "这个问题不在我的范围里。我只回答支付宝借呗的额度、开通、还款、征信和防骗方面的问题。"
OFFICIAL_WAY = "想得到准确答复，可以在支付宝 App 里进“我的客服”，或自己拨打 95188 询问。"
NEAREST = "你也可以换个说法，或者看看这些有答案的问题。"

# —— 连接句：本身不陈述事实，所以没有引用 ——
CLOSEST = "知识库里没有完全对应的说明，最接近的是："
MASKED = "为保护你，消息里的个人信息已经隐去；请不要在这里发送手机号、证件号、卡号、验证码或密码。"
WHICH_SYMPTOM = "你遇到的是哪一种情况？点一个，我再具体说。"
CONNECTING = frozenset({CLOSEST, MASKED, WHICH_SYMPTOM})

# —— 提醒 ——
STALE = "这条资料已过复核日期，请以页面和官方最新说明为准。"

# How the reader is told what kind of source stands behind a sentence.
SOURCE_TYPE_NAMES = {
    "law": "法律法规",
    "regulator": "监管文件",
    "official": "官方说明",
    "guidance": "指引",
    "news": "公开报道",
    "user_article": "网络文章",
}

# Shown where nothing was asked yet, and where a refusal has nothing nearer to offer.
EXAMPLE_QUESTIONS = (
    "借呗额度为什么突然没有了？",
    "还清了借呗，额度怎么没恢复？",
    "怎么提高借呗额度？",
    "借呗开通不了是什么原因？",
    "有人说交钱就能强开借呗，可信吗？",
)

# The choices behind WHICH_SYMPTOM.
SYMPTOM_QUESTIONS = (
    "借呗额度为什么变少了？",
    "借呗额度为什么变成0了？",
    "借呗入口不见了怎么办？",
    "有额度为什么借不出来？",
    "还清了额度为什么没恢复？",
    "怎么提高借呗额度？",
)

# —— 输入有误 ——
EMPTY_QUESTION = "请写下你想问的问题。"
TOO_LONG = "问题有 {actual} 字，超过上限 {limit} 字，请写得短一些。"
