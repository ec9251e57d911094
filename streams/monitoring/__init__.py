"""How a part tells that it works: health, readiness, metrics, and who may ask."""
