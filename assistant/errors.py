"""What can be wrong with what a caller handed in, in words for that caller.

AssistantError
├── InvalidQuestion     the question or history cannot be used as it is
└── InvalidSettings     a setting is unknown or has a value that cannot work
"""

from __future__ import annotations


class AssistantError(Exception):
    """Shown as it stands: one clear sentence in Chinese."""


class InvalidQuestion(AssistantError):
    """Nothing to answer: empty, too long, or not text."""


class InvalidSettings(AssistantError):
    """A setting that cannot be followed."""
