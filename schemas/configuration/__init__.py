"""The configuration folder: TOML files by topic, what they may say, and the rules that come of them."""
