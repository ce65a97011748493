"""The check that a corpus must pass: `assistant check`, rule by rule."""
