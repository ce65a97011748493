"""Cited answers in Chinese about the limit of 借呗. `from assistant import Assistant`."""

from assistant.answer import Answer, Citation, HandOff, Refusal, Safety, Sentence
from assistant.answering import Assistant
from assistant.errors import AssistantError, InvalidQuestion, InvalidSettings

__all__ = [
    "Answer",
    "Assistant",
    "AssistantError",
    "Citation",
    "HandOff",
    "InvalidQuestion",
    "InvalidSettings",
    "Refusal",
    "Safety",
    "Sentence",
]
