"""Configuration folders for tests: their files by topic, as they stand in the folders here."""

from pathlib import Path


def files(name: str) -> dict[str, str]:
    """Read a folder's files."""
    return {path.stem: path.read_text("utf-8") for path in sorted((Path(__file__).parent / name).glob("*.toml"))}
