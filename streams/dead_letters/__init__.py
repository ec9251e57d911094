"""The dead letters: what they hold, which are dealt with, and how one is sent again."""
