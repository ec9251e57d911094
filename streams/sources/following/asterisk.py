"""Follows Asterisk's queue_log, the file that `path` of the account names."""

from typing import Final

from streams.sources.following.follower import Follower
from streams.sources.following.log_file import log_follower

FOLLOWER: Final[Follower] = log_follower("queue_log", "Asterisk's queue_log")
