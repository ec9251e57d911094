"""The dead letters: what they hold, which were replayed or discarded, and how one is sent again."""
