"""Live figures as datasets of Geckoboard, for those who have its walls."""
