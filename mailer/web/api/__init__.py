"""The HTTP API: what programs of the shop may ask for."""
