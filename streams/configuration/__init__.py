"""Reads settings and rules from the environment and the configuration folder, and follows the folder's changes."""
