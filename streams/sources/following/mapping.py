"""Follows a file of JSON records, a line each, by the account's mapping file."""

from typing import Final

from streams.sources.following.follower import Follower
from streams.sources.following.log_file import log_follower

FOLLOWER: Final[Follower] = log_follower("record", "the file")
